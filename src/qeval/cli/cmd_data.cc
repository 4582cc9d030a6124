#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/registry/dataset_catalogue.h"
#include "qeval/text/table.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

struct DataArguments {
  CommonOptions common;
  std::vector<std::string> names;
  bool all = false, again = false;
};

DataPlaces places(const DataArguments& options) { return {options.common.data_dir, user_cache_dir()}; }

Result<std::vector<DatasetInfo>> chosen(const DataArguments& options) {
  QEVAL_TRY(auto catalogue, load_dataset_catalogue());
  if (options.names.empty()) return catalogue;
  std::vector<DatasetInfo> out;
  for (const std::string& name : options.names) {
    QEVAL_TRY(DatasetInfo info, find_dataset(catalogue, name));
    out.push_back(std::move(info));
  }
  return out;
}

Json to_json(const DataFileStatus& s) {
  return {{"path", s.path}, {"found_at", s.found_at}, {"size_bytes", s.size_bytes}, {"state", to_string(s.state)},
          {"sha256", s.sha256}, {"expected", s.expected}, {"note", s.note}, {"source", s.source}, {"optional", s.optional}};
}

void print(const DataArguments& options, const std::vector<std::pair<DatasetInfo, std::vector<DataFileStatus>>>& all) {
  if (options.common.json) {
    Json list = Json::array();
    for (const auto& [info, files] : all) {
      Json rows = Json::array();
      for (const DataFileStatus& f : files) rows.push_back(to_json(f));
      list.push_back({{"name", info.name}, {"title", info.title}, {"licence", info.license}, {"homepage", info.homepage}, {"files", rows}});
    }
    fmt::print("{}\n", dump_json(list, 2));
    return;
  }
  Table table;
  table.headers = {"Data set", "Licence", "File", "State", "Where", "Note"};
  for (const auto& [info, files] : all)
    for (const DataFileStatus& f : files)
      table.rows.push_back({info.name, info.license, f.path, std::string(to_string(f.state)) + (f.optional ? " (optional)" : ""), f.found_at, f.note});
  fmt::print("{}", table.terminal());
}

Result<int> list_or_verify(const DataArguments& options, bool verify) {
  QEVAL_TRY(auto infos, chosen(options));
  std::vector<std::pair<DatasetInfo, std::vector<DataFileStatus>>> all;
  bool bad = false;
  for (const DatasetInfo& info : infos) {
    if (verify) console().progress("verifying " + info.name);
    auto files = verify ? verify_dataset(info, places(options)) : dataset_status(info, places(options));
    for (const DataFileStatus& f : files) bad = bad || f.state == DataState::differs;
    all.emplace_back(info, std::move(files));
  }
  console().progress_done();
  print(options, all);
  return bad ? kCheckFailed : kDone;
}

Result<int> pull(const DataArguments& options) {
  QEVAL_TRY(auto infos, chosen(options));
  std::vector<std::pair<DatasetInfo, std::vector<DataFileStatus>>> all;
  int n_failed = 0;
  for (const DatasetInfo& info : infos) {
    PullOptions pulling;
    pulling.all = options.all;
    pulling.again = options.again;
    pulling.note = [](const std::string& line) { console().note(line); };
    pulling.progress = [](const std::string& what, int64_t done, int64_t) {
      console().progress(fmt::format("{}: {:.1f} MB", what, static_cast<double>(done) / 1e6));
      return true;
    };
    auto files = pull_dataset(info, places(options), pulling);
    console().progress_done();
    if (!files) {
      ++n_failed;
      console().note(fmt::format("{}: {}", info.name, files.error().message));
      all.emplace_back(info, dataset_status(info, places(options)));
      continue;
    }
    all.emplace_back(info, std::move(*files));
  }
  print(options, all);
  if (n_failed > 0) return fail(ErrorKind::environment, fmt::format("{} of {} data sets could not be fetched", n_failed, infos.size()));
  return kDone;
}

}  // namespace

void add_data_commands(CLI::App& app, Command& command) {
  CLI::App* data = app.add_subcommand("data", "Fetch, list and verify data sets");
  data->require_subcommand(1);
  auto add = [&](const char* name, const char* help, std::function<Result<int>(const DataArguments&)> action) {
    auto options = std::make_shared<DataArguments>();
    CLI::App* sub = data->add_subcommand(name, help);
    sub->add_option("dataset", options->names, "Names (default: all)");
    add_task_source_options(*sub, options->common);
    add_json_option(*sub, options->common);
    if (std::string(name) == "pull") {
      sub->add_flag("--all", options->all, "Optional files too");
      sub->add_flag("--again", options->again, "Also what is there already");
    }
    add_examples(*sub, fmt::format("  qeval data {}\n  qeval data {} gsm8k humaneval", name, name));
    sub->callback([&command, options, action] { command.action = [options, action] { return action(*options); }; });
  };
  add("list", "Where each data set is, without reading it", [](const DataArguments& o) { return list_or_verify(o, false); });
  add("pull", "Fetch from the original address into the cache, with licence and SHA-256 recorded", pull);
  add("verify", "Hash what is there and compare", [](const DataArguments& o) { return list_or_verify(o, true); });
}

}  // namespace qeval
