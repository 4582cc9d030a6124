#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/compose.h"
#include "qeval/registry/weights_hash.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

Result<int> doctor(const CommonOptions& options, const std::string& rehash) {
  Json report = {{"environment", host_environment()}, {"cache", user_cache_dir()}};
  Json sandboxes = Json::array();
  bool any = false;
  for (const auto& [name, state] : probe_sandboxes()) {
    sandboxes.push_back({{"backend", name}, {"state", state}});
    any = any || state == "works";
  }
  report["sandboxes"] = sandboxes;
  TaskSources sources = task_sources(options);
  report["data_dir"] = sources.data_dir.empty() ? Json(nullptr) : Json(sources.data_dir);
  if (!rehash.empty()) {
    QEVAL_TRY(std::string hash, weights_sha256(rehash, user_cache_dir() + "/hashes.json", true, [](double share) {
      console().progress(fmt::format("hashing: {:.0f} %", 100 * share));
    }));
    console().progress_done();
    report["sha256"] = {{"file", rehash}, {"sha256", hash}};
  }
  if (options.json) {
    fmt::print("{}\n", dump_json(report, 2));
  } else {
    fmt::print("host:\n");
    for (const auto& [key, value] : report["environment"].items())
      fmt::print("  {}: {}\n", key, value.is_string() ? value.get<std::string>() : dump_json(value));
    fmt::print("sandbox back ends:\n");
    for (const Json& s : sandboxes) fmt::print("  {}: {}\n", json_string(s, "backend"), json_string(s, "state"));
    fmt::print("cache: {}\ndata folder: {}\n", user_cache_dir(), sources.data_dir.empty() ? "none (--data-dir, QEVAL_DATA_DIR)" : sources.data_dir);
    if (report.contains("sha256")) fmt::print("{}: sha256 {}\n", rehash, json_string(report["sha256"], "sha256"));
  }
  return any ? kDone : kCheckFailed;
}

}  // namespace

void add_doctor_command(CLI::App& app, Command& command) {
  auto options = std::make_shared<CommonOptions>();
  auto rehash = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("doctor", "Say what this machine can do: device, sandbox back ends, data, caches");
  sub->add_option("--rehash", *rehash, "Compute this GGUF's SHA-256 anew and remember it");
  add_task_source_options(*sub, *options);
  add_json_option(*sub, *options);
  add_examples(*sub, "  qeval doctor\n  qeval doctor --rehash ./model.gguf");
  sub->callback([&command, options, rehash] { command.action = [options, rehash] { return doctor(*options, *rehash); }; });
}

}  // namespace qeval
