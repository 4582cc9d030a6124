#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/report/tracker.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

struct TrackerArguments {
  CommonOptions common;
  std::string tracker = "TRACKER.md", import_file;
  bool adopt = false;
};

Status adopt_document(Store& store, const std::string& path) {
  QEVAL_TRY(std::string text, read_file(path));
  if (is_own_tracker(text)) return bad_input(fmt::format("{}: is qeval's own already, there is nothing to adopt", path));
  QEVAL_CHECK(store.put_text("tracker_adopted", text));
  QEVAL_CHECK(store.flush());
  QEVAL_TRY(TrackerInput input, tracker_input(store));
  QEVAL_TRY(input.models, all_models());
  QEVAL_TRY(input.presets, all_presets());
  return write_file_atomic(path, render_tracker(input, {}));
}

Status import_document(Store& store, const std::string& file) {
  QEVAL_TRY(std::string text, read_file(file));
  auto rows = import_tracker_v1(text);
  if (!rows) return fail(rows.error().in(file));
  QEVAL_CHECK(store.put_text("tracker_import", dump_json(*rows)));
  console().note(fmt::format("{}: {} historic scores imported, unverified", file, (*rows)["scores"].size()));
  return store.flush();
}

Result<int> tracker(const TrackerArguments& options) {
  bool writes = options.adopt || !options.import_file.empty();
  QEVAL_TRY(auto store, open_store(options.common.store, {.read_only = !writes, .create = writes}));
  if (!options.import_file.empty()) {
    QEVAL_CHECK(import_document(*store, options.import_file));
  }
  if (options.adopt) {
    QEVAL_CHECK(adopt_document(*store, options.tracker));
  } else {
    QEVAL_CHECK(rewrite_tracker(*store, options.tracker));
  }
  console().note("tracker: " + options.tracker);
  return kDone;
}

}  // namespace

void add_tracker_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<TrackerArguments>();
  CLI::App* sub = app.add_subcommand("tracker", "Write TRACKER.md from the store; adopt or import an earlier document");
  sub->add_option("--tracker", options->tracker, "The document")->capture_default_str();
  sub->add_flag("--adopt", options->adopt, "Take over a document written by people: its whole text is kept under a heading");
  sub->add_option("--import", options->import_file, "Read a first tracker's scores as historic, unverified rows");
  add_store_option(*sub, options->common);
  add_examples(*sub, "  qeval tracker\n  qeval tracker --adopt\n  qeval tracker --import old-tracker.md");
  sub->callback([&command, options] { command.action = [options] { return tracker(*options); }; });
}

}  // namespace qeval
