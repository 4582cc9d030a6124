#include <fmt/format.h>

#include <optional>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/registry/weights_hash.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

// Hashes anew; says whether that differs from what was taken for granted before.
Result<Json> rehashed(const std::string& file) {
  std::string memory = weights_hash_memory();
  std::string known = known_weights_sha256(file, memory);
  QEVAL_TRY(std::string hash, weights_sha256(file, memory, true, [](double share) {
    console().progress(fmt::format("hashing: {:.0f} %", 100 * share));
    return true;
  }));
  console().progress_done();
  return Json{{"file", file}, {"sha256", hash}, {"known", known}, {"changed", !known.empty() && known != hash}};
}

Result<int> doctor(const CommonOptions& options, const std::optional<std::string>& rehash) {
  Json report = {{"environment", host_environment()}, {"cache", user_cache_dir()}};
  Json sandboxes = Json::array();
  bool any = false;
  for (const auto& [name, state] : probe_sandboxes()) {
    sandboxes.push_back({{"backend", name}, {"state", state}});
    any = any || state == "works";
  }
  report["sandboxes"] = sandboxes;
  TaskSources sources = task_sources(options);
  const std::string no_tools = sources.outside_tools->missing();
  report["bfcl"] = no_tools.empty() ? sources.outside_tools->version() : no_tools;
  report["data_dir"] = sources.data_dir.empty() ? Json(nullptr) : Json(sources.data_dir);
  if (rehash && rehash->empty()) {
    QEVAL_TRY(int64_t n, forget_weights_sha256(weights_hash_memory()));
    report["forgotten_hashes"] = n;
  } else if (rehash) {
    QEVAL_TRY(report["sha256"], rehashed(*rehash));
  }
  if (options.json) {
    fmt::print("{}\n", dump_json(report, 2));
  } else {
    fmt::print("host:\n");
    for (const auto& [key, value] : report["environment"].items())
      fmt::print("  {}: {}\n", key, json_text(value));
    fmt::print("sandbox back ends:\n");
    for (const Json& s : sandboxes) fmt::print("  {}: {}\n", json_string(s, "backend"), json_string(s, "state"));
    fmt::print("multi-turn function calling: {}\n", json_string(report, "bfcl"));
    fmt::print("cache: {}\ndata folder: {}\n", user_cache_dir(), sources.data_dir.empty() ? "none (--data-dir, QEVAL_DATA_DIR)" : sources.data_dir);
    if (report.contains("forgotten_hashes"))
      fmt::print("{} remembered hashes of weights forgotten: they are computed anew when next used\n", report["forgotten_hashes"].get<int64_t>());
    if (report.contains("sha256")) {
      const Json& r = report["sha256"];
      fmt::print("{}: sha256 {}\n", *rehash, json_string(r, "sha256"));
      if (json_bool(r, "changed")) fmt::print("  it was taken for {}: results under that hash are not of this file\n", json_string(r, "known"));
    }
  }
  if (report.contains("sha256") && json_bool(report["sha256"], "changed")) return kCheckFailed;
  return any ? kDone : kCheckFailed;
}

}  // namespace

void add_doctor_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<CommonOptions>();
  auto rehash = std::make_shared<std::string>();
  CLI::Option* asked = nullptr;
  CLI::App* sub = app.add_subcommand("doctor", "Say what this machine can do: device, sandbox back ends, data, caches");
  asked = sub->add_option("--rehash", *rehash, "Compute this GGUF's SHA-256 anew and remember it; without FILE: forget all "
                                               "remembered ones")
              ->type_name("[FILE]")
              ->expected(0, 1);
  add_task_source_options(*sub, *options);
  add_bfcl_option(*sub, *options);
  add_json_option(*sub, *options);
  add_examples(*sub, "  qeval doctor\n  qeval doctor --rehash ./model.gguf\n  qeval doctor --rehash");
  sub->callback([&command, options, rehash, asked] {
    std::optional<std::string> file;
    if (asked->count() > 0 || !rehash->empty()) file = *rehash;
    command.action = [options, file] { return doctor(*options, file); };
  });
}

}  // namespace qeval
