#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/cli/command.h"
#include "qeval/cli/console.h"
#include "qeval/core/model_spec.h"
#include "qeval/core/task_summary.h"
#include "qeval/engine/engine.h"
#include "qeval/sandbox/sandbox.h"
#include "qeval/store/store.h"
#include "qeval/task/task.h"

namespace qeval {

// The one place that knows the concrete types behind the interfaces.

TaskSources task_sources(const CommonOptions& options);
Result<std::vector<PublishedScore>> published_scores();
Result<std::vector<ModelSpec>> all_models();
Result<std::vector<Preset>> all_presets();
Result<Preset> preset_named(const std::string& name);
Json host_environment();

// Opens the sandbox when the first task needs it, once.
class SandboxHolder {
 public:
  explicit SandboxHolder(bool allow_unsafe) : allow_unsafe_(allow_unsafe) {}
  Result<Sandbox*> get();

 private:
  bool allow_unsafe_;
  std::unique_ptr<Sandbox> sandbox_;
};

// Requests that a load test may have in flight: the load is its own to choose, a server takes what comes.
inline constexpr int kMostInFlight = 16384;

struct EngineRequest {
  std::vector<std::string> settings;  // --set KEY=VALUE, applied to the preset
  std::string engine = "llama";
  std::string model;                 // registry id, GGUF path, hf:ORG/REPO[:QUANT|FILE]
  Preset preset;
  double yarn_factor = 0;
  int n_threads = 0;
  std::string fake_script;           // engine fake: what it answers
  std::vector<std::string> base_urls;  // engine openai: the servers
  std::string weights_as;            // engine llama: BF16, F16 or F32; "" = as the file has them
  std::string weights_id;            // the user's own id for weights that cannot be verified
  std::string tokenizer;             // GGUF whose vocabulary a server's model has
  bool adaptive = true;              // engine openai: concurrency finds its level
  bool ignore_eos = false;           // engine openai: answers of exactly their length, where the server can
  std::string vllm;                  // engine vllm: the program or its virtual environment, "" = PATH
  const std::atomic<bool>* stop = nullptr;  // true: give up
};

// A model resolved and, if need be, downloaded; nothing loaded yet.
struct EnginePlan {
  std::string engine, engine_version;
  std::string hf_id;
  WeightsIdentity weights;
  std::optional<ModelSpec> spec;
  Preset preset;                     // with --set applied
  Json options;                      // resolved, for the run's key
  bool is_instruct = true;           // has a chat template
  std::optional<EngineCapabilities> can;  // where it is known before loading and may be less than everything
  bool offers_tools = true;          // its chat template has a place for tools, as far as known
  std::vector<std::string> notes;
  Json details;                      // what --dry-run shows of the engine beyond all this, or null
  std::function<Result<std::unique_ptr<Engine>>()> load;
};
Result<EnginePlan> plan_engine(const EngineRequest& request);

// Rewrites the tracker from the store. Error where `path` is somebody else's file.
Status rewrite_tracker(const Store& store, const std::string& path);

}  // namespace qeval
