#include <fmt/format.h>

#include "qeval/cli/command.h"

namespace qeval {
namespace {

constexpr const char* kBash = R"bash(_qeval() {
  local current="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$current"))
    return
  fi
  case "${COMP_WORDS[COMP_CWORD-1]}" in
    --tasks) COMPREPLY=($(compgen -W "$(qeval tasks --json 2>/dev/null | sed -n 's/^    "name": "\(.*\)",$/\1/p')" -- "$current")); return ;;
    --suite) COMPREPLY=($(compgen -W "$(qeval suites --json 2>/dev/null | sed -n 's/^    "name": "\(.*\)",$/\1/p')" -- "$current")); return ;;
    --model|--store|--tracker|--data-dir|--include-path|--output-path) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case "$command" in
@CASES@  esac
  [ "${#COMPREPLY[@]}" -eq 0 ] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _qeval qeval
)bash";

void replace(std::string& text, const std::string& what, const std::string& with) {
  text.replace(text.find(what), what.size(), with);
}

// Built from the parser itself, so that it cannot fall behind.
std::string bash_completion(const CLI::App& root) {
  std::string commands, cases;
  for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; })) {
    commands += sub->get_name() + " ";
    std::string words;
    for (const CLI::App* nested : sub->get_subcommands([](const CLI::App*) { return true; })) words += nested->get_name() + " ";
    for (const CLI::Option* option : sub->get_options())
      for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
    cases += fmt::format("    {}) COMPREPLY=($(compgen -W \"{}\" -- \"$current\")) ;;\n", sub->get_name(), words);
  }
  std::string text = kBash;
  replace(text, "@COMMANDS@", commands);
  replace(text, "@CASES@", cases);
  return text;
}

}  // namespace

void add_completion_command(CLI::App& app, Command& command) {
  CLI::App* sub = app.add_subcommand("completion", "Print a completion script for bash (zsh: through bashcompinit)");
  add_examples(*sub, "  source <(qeval completion)");
  sub->callback([&command, &app] {
    command.action = [&app]() -> Result<int> {
      fmt::print("{}", bash_completion(app));
      return kDone;
    };
  });
}

}  // namespace qeval
