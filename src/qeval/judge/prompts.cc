#include "qeval/judge/prompts.h"

#include <fmt/format.h>

#include "qeval/util/assets.h"
#include "qeval/util/hash.h"
#include "qeval/util/json.h"

namespace qeval {
namespace {

constexpr const char* kPromptsFile = "reference/judge/mt_bench_prompts.jsonl";

bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") == std::string_view::npos;
}

}  // namespace

Result<JudgePrompts> JudgePrompts::shipped() {
  auto text = find_asset(kPromptsFile);
  if (!text) return fail(ErrorKind::internal, fmt::format("{} is not in this binary", kPromptsFile));
  return parse(std::string(*text), kPromptsFile);
}

Result<JudgePrompts> JudgePrompts::parse(const std::string& jsonl, const std::string& file) {
  JudgePrompts out;
  size_t at = 0;
  for (int line = 1; at < jsonl.size(); ++line) {
    size_t end = std::min(jsonl.find('\n', at), jsonl.size());
    std::string text = jsonl.substr(at, end - at);
    at = end + 1;
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto json = parse_json(text);
    if (!json) return fail(json.error().in(fmt::format("{}:{}", file, line)));
    JudgePrompt prompt{json_string(*json, "name"), json_string(*json, "system_prompt"), json_string(*json, "prompt_template")};
    if (prompt.name.empty() || prompt.text.empty())
      return bad_input(fmt::format("{}:{}: name and prompt_template were expected", file, line));
    out.prompts_[prompt.name] = std::move(prompt);
  }
  Json all = Json::array();
  for (const auto& [name, prompt] : out.prompts_) all.push_back({name, prompt.system, prompt.text});
  out.sha256_ = sha256_hex(dump_json(all));
  return out;
}

Result<JudgePrompt> JudgePrompts::named(const std::string& name) const {
  auto it = prompts_.find(name);
  if (it == prompts_.end()) return fail(ErrorKind::internal, fmt::format("{}: there is no prompt '{}'", kPromptsFile, name));
  return it->second;
}

Result<ChatPrompt> fill_prompt(const JudgePrompt& prompt, const std::map<std::string, std::string>& values) {
  std::string text;
  const std::string& from = prompt.text;
  for (size_t at = 0; at < from.size();) {
    size_t open = from.find('{', at);
    size_t close = open == std::string::npos ? open : from.find('}', open);
    if (close == std::string::npos) {
      text.append(from, at);
      break;
    }
    std::string name = from.substr(open + 1, close - open - 1);
    text.append(from, at, open - at);
    at = close + 1;
    if (!is_name(name)) {
      text.append(from, open, at - open);
      continue;
    }
    auto value = values.find(name);
    if (value == values.end()) return fail(ErrorKind::internal, fmt::format("judge prompt {}: {} is not given", prompt.name, name));
    text += value->second;
  }
  ChatPrompt chat;
  if (!prompt.system.empty()) chat.messages.push_back({"system", prompt.system, {}});
  chat.messages.push_back({"user", std::move(text), {}});
  return chat;
}

}  // namespace qeval
