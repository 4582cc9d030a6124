#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/text/table.h"

namespace qeval {
namespace {

Result<int> list_tasks(const CommonOptions& options) {
  QEVAL_TRY(auto registry, open_task_registry(task_sources(options)));
  Table table;
  table.headers = {"Task", "Kind", "Type", "Category", "Version", "Members or output"};
  Json all = Json::array();
  for (const TaskListing& t : registry->list()) {
    std::string last = t.members.empty() ? t.output_type : fmt::format("{} tasks", t.members.size());
    table.rows.push_back({t.name, t.kind, t.title, t.category, t.version, last});
    all.push_back({{"name", t.name}, {"kind", t.kind}, {"title", t.title}, {"category", t.category},
                   {"version", t.version}, {"output_type", t.output_type}, {"file", t.file},
                   {"description", t.description}, {"members", t.members}});
  }
  if (options.json) fmt::print("{}\n", dump_json(all, 2));
  else fmt::print("{}", table.terminal());
  return kDone;
}

std::string entry_text(const SuiteEntry& e) {
  if (!e.pending.empty()) return fmt::format("{} (pending: {})", e.row.empty() ? e.task : e.row, e.pending);
  return fmt::format("{}{}{}", e.task, e.apply_chat_template ? " [chat]" : "",
                     e.num_fewshot ? fmt::format(" [{}-shot]", *e.num_fewshot) : "");
}

Result<int> list_suites_command(const CommonOptions& options) {
  Json all = Json::array();
  for (const Suite& suite : list_suites()) {
    Json json = {{"name", suite.name}, {"description", suite.description}};
    if (suite.limit) json["limit"] = *suite.limit;
    if (!options.json) fmt::print("{}: {}\n", suite.name, suite.description);
    for (const auto& [kind, entries] : {std::pair{"instruct", &suite.instruct}, std::pair{"base", &suite.base}}) {
      Json list = Json::array();
      if (!options.json) fmt::print("  {}:\n", kind);
      for (const SuiteEntry& e : *entries) {
        if (!options.json) fmt::print("    {}\n", entry_text(e));
        list.push_back({{"task", e.task}, {"row", e.row}, {"chat_template", e.apply_chat_template}, {"pending", e.pending}});
      }
      json[kind] = list;
    }
    all.push_back(json);
  }
  if (options.json) fmt::print("{}\n", dump_json(all, 2));
  return kDone;
}

}  // namespace

void add_tasks_commands(CLI::App& app, Command& command) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* tasks = app.add_subcommand("tasks", "List tasks, groups and tags");
  add_task_source_options(*tasks, *options);
  add_json_option(*tasks, *options);
  tasks->callback([&command, options] { command.action = [options] { return list_tasks(*options); }; });
  auto suite_options = std::make_shared<CommonOptions>();
  CLI::App* suites = app.add_subcommand("suites", "List suites and what they run");
  add_json_option(*suites, *suite_options);
  suites->callback([&command, suite_options] { command.action = [suite_options] { return list_suites_command(*suite_options); }; });
}

}  // namespace qeval
