#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"

namespace qeval {
namespace {

Result<int> check_store(const CommonOptions& options) {
  QEVAL_TRY(auto store, open_store(options.store, {.read_only = true, .create = false}));
  QEVAL_TRY(StoreCheck check, store->check());
  if (options.json) {
    fmt::print("{}\n", dump_json({{"ok", check.ok}, {"problems", check.problems}, {"counts", check.counts}}, 2));
  } else {
    for (const auto& [name, n] : check.counts) fmt::print("{:>12}  {}\n", n, name);
    for (const std::string& problem : check.problems) fmt::print("problem: {}\n", problem);
    fmt::print("{}: {}\n", options.store, check.ok ? "sound" : "DAMAGED");
  }
  return check.ok ? kDone : kCheckFailed;
}

Result<int> merge_stores(const CommonOptions& options, const std::vector<std::string>& others) {
  QEVAL_TRY(auto store, open_store(options.store, {}));
  for (const std::string& other : others) {
    QEVAL_CHECK(store->merge(other));
    fmt::print("{} merged into {}\n", other, options.store);
  }
  QEVAL_CHECK(store->flush());
  return kDone;
}

}  // namespace

void add_store_commands(CLI::App& app, Command& command) {
  CLI::App* store = app.add_subcommand("store", "Check the store, or merge others into it");
  store->require_subcommand(1);
  auto options = std::make_shared<CommonOptions>();
  CLI::App* check = store->add_subcommand("check", "Verify that everything stored can be read");
  add_store_option(*check, *options);
  add_json_option(*check, *options);
  check->callback([&command, options] { command.action = [options] { return check_store(*options); }; });
  auto others = std::make_shared<std::vector<std::string>>();
  CLI::App* merge = store->add_subcommand("merge", "Take runs, responses and scores of other stores in");
  merge->add_option("other", *others, "Stores to read")->required()->check(CLI::ExistingFile);
  add_store_option(*merge, *options);
  add_examples(*merge, "  qeval store merge --store all.db a.db b.db");
  merge->callback([&command, options, others] { command.action = [options, others] { return merge_stores(*options, *others); }; });
}

}  // namespace qeval
