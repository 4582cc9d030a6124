#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/core/sample.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

using RunId = int64_t;

enum class RunStatus { running = 1, interrupted = 2, done = 3, failed = 4 };  // stored; never renumber
const char* to_string(RunStatus status);

struct RunRecord {
  RunId id = 0;
  std::string run_key;          // SHA-256 of everything resolved: the same command finds the same run
  std::string model_id;         // what the user asked for (display)
  std::string weights_key;      // sha256, or "declared:…"
  std::string engine, preset, suite;
  Json spec;                    // arguments given and everything resolved
  Json environment;             // engine versions, device, driver, host
  RunStatus status = RunStatus::running;
  int64_t started_ms = 0, ended_ms = 0;
  Json performance;             // system performance of the run, from responses decoded in it
};

struct TaskRecord {             // one task of one run
  std::string task, version;
  Json config;                  // TaskSpec's resolved config, for rescore and reports
  Json identity;
  int64_t n_docs = 0, n_docs_total = 0;
  std::string data_note;
  bool done = false;
  Json summary;                 // metrics, class counts, flags; what a report needs
};

// Which question of which sample.
struct RequestRef {
  std::string task;
  int64_t doc_id = 0;
  int index = 0;                // in Sample::requests
};

struct StoredResponse {
  std::string key;              // reuse key
  RunId decoded_in = 0;
  Response response;
};

struct SampleRecord {           // as read back
  std::string task;
  int64_t doc_id = 0;
  Json sample;                  // doc, target, choices, gold, doc_hash
  std::vector<Request> requests;    // prompt text/continuation as asked
  std::vector<Response> responses;  // aligned; finish=failed+unsupported where missing
  std::vector<Score> scores;
  int scorer_version = 0;
};

struct StoreCheck { bool ok = true; std::vector<std::string> problems; std::map<std::string, int64_t> counts; };

// The SQLite file. Thread-safe; writes are queued and group-committed by one writer thread (at most 1 s late on power
// loss, nothing lost on SIGKILL once put_response returned). Errors name the file: read-only, full disk, newer schema.
class Store {
 public:
  virtual ~Store() = default;

  // --- runs
  // The unfinished or finished run with this key, else a new one. `fresh`: always a new one.
  virtual Result<RunRecord> begin_run(const RunRecord& wanted, bool fresh) = 0;
  // Takes the run's lease; unavailable if another live process holds it (names its pid). Renewed by a thread;
  // a lease of a dead process is taken over.
  virtual Status lease(RunId run) = 0;
  virtual void release(RunId run) = 0;
  virtual Status set_run_status(RunId run, RunStatus status, int64_t ended_ms, const Json& performance) = 0;
  virtual Status set_environment(RunId run, const Json& environment) = 0;
  virtual Status put_task(RunId run, const TaskRecord& task) = 0;   // insert or replace
  virtual Result<std::vector<RunRecord>> runs() const = 0;          // oldest first
  virtual Result<std::optional<RunRecord>> run(RunId id) const = 0;
  virtual Result<std::vector<TaskRecord>> tasks(RunId run) const = 0;

  // --- responses
  virtual Result<std::optional<StoredResponse>> find_response(const std::string& reuse_key) const = 0;
  virtual Result<std::map<std::string, StoredResponse>> find_responses(const std::vector<std::string>& reuse_keys) const = 0;
  // Durable against SIGKILL when it returns. A key that exists keeps its first response.
  virtual Status put_response(RunId run, const RequestRef& ref, const std::string& reuse_key, const Request& request,
                              const Response& response) = 0;
  // This run uses a response that another run (or an earlier attempt) decoded.
  virtual Status link_response(RunId run, const RequestRef& ref, const std::string& reuse_key) = 0;

  // --- samples and scores
  virtual Status put_sample(RunId run, const std::string& task, const Sample& sample) = 0;
  // Older scores of the same sample are kept with their version; the newest is current.
  virtual Status put_scores(RunId run, const std::string& task, int64_t doc_id, int scorer_version,
                            const std::vector<Score>& scores, const std::string& backend) = 0;
  // In doc order; the callback returns false to stop.
  virtual Status for_each_sample(RunId run, const std::string& task,
                                 const std::function<bool(SampleRecord&&)>& visit) const = 0;
  virtual Result<std::vector<std::pair<int64_t, std::vector<Score>>>> current_scores(RunId run, const std::string& task) const = 0;

  // --- series and texts
  virtual Status put_series(RunId run, const std::string& name, const Json& points) = 0;
  virtual Status put_text(const std::string& name, const std::string& text) = 0;       // tracker notes, imports
  virtual Result<std::optional<std::string>> text(const std::string& name) const = 0;

  virtual Status flush() = 0;        // everything queued is on disk, fsynced
  virtual Result<StoreCheck> check() const = 0;
  virtual Status merge(const std::string& other_path) = 0;
  virtual std::string path() const = 0;
};

struct StoreOptions {
  bool read_only = false;     // reports: never creates, never locks writers out
  bool create = true;
};
Result<std::unique_ptr<Store>> open_store(const std::string& path, const StoreOptions& options);

// SHA-256 over version, request identity, weights identity, engine name/version/build/device/settings.
// Left out on purpose: preset's name, request id, priority, conversation, connection settings.
std::string reuse_key(const Request& request, const Json& weights_identity, const Json& engine_identity);

}  // namespace qeval
