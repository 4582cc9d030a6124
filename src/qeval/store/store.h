#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
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
  std::string run_key;      // SHA-256 of everything resolved: the same command finds the same run
  std::string model_id;     // what the user asked for (display)
  std::string weights_key;  // sha256, or "declared:…"
  std::string engine, preset, suite;
  Json spec;         // arguments given and everything resolved
  Json environment;  // engine versions, device, driver, host
  RunStatus status = RunStatus::running;
  int64_t started_ms = 0, ended_ms = 0;
  Json performance;  // system performance of the run, from responses decoded in it
};

struct TaskRecord {  // one task of one run
  std::string task, version;
  Json config;  // TaskSpec's resolved config, for rescore and reports
  Json identity;
  int64_t n_docs = 0, n_docs_total = 0;
  std::string data_note;
  bool done = false;
  Json summary;  // metrics, class counts, flags; what a report needs
};

// Which question of which sample.
struct RequestRef {
  std::string task;
  int64_t doc_id = 0;
  int index = 0;  // in Sample::requests
};

struct StoredResponse {
  std::string key;  // reuse key
  RunId decoded_in = 0;
  Response response;
};

struct SampleRecord {  // as read back
  std::string task;
  int64_t doc_id = 0;
  Json sample;  // doc, target, references, choices, gold, multiple_inputs, doc_hash; null if never put
  std::vector<Request> requests;    // as asked, in full but for id, priority and conversation
  std::vector<Response> responses;  // aligned; finish=failed+unsupported where missing
  std::vector<Score> scores;        // the newest
  int scorer_version = 0;
  std::string backend;  // sandbox back end of the newest scores
};
// The Sample as task/ built it, requests included: what a rescore hands to the scorer.
Sample sample_from_record(const SampleRecord& record);

// One of several versions of a sample's scores.
struct ScoreVersion {
  int scorer_version = 0;
  std::string backend;
  int64_t created_ms = 0;
  bool current = false;
  std::vector<Score> scores;
};

// One answer of a batch for put_responses. Pointers must outlive the call.
struct NewResponse {
  RequestRef ref;
  std::string key;
  const Request* request = nullptr;
  const Response* response = nullptr;
};

struct StoreCheck {
  bool ok = true;
  std::vector<std::string> problems;
  std::map<std::string, int64_t> counts;
};

// The SQLite file. Thread-safe; writes are queued and group-committed by one writer thread (at most 1 s late on power
// loss, nothing lost on SIGKILL once put_response returned). Errors name the file: read-only, full disk, newer schema.
class Store {
 public:
  virtual ~Store() = default;

  // --- runs
  // The newest run with this key, unfinished or finished, unchanged; else a new one. `fresh`: always a new one.
  virtual Result<RunRecord> begin_run(const RunRecord& wanted, bool fresh) = 0;
  // Takes the run's lease; unavailable if another live process holds it (names its pid and what to do). Renewed by a
  // thread; a lease of a dead process is taken over. Calling it again renews. Released by the destructor, too.
  virtual Status lease(RunId run) = 0;
  virtual void release(RunId run) = 0;
  virtual Status set_run_status(RunId run, RunStatus status, int64_t ended_ms, const Json& performance) = 0;
  virtual Status set_environment(RunId run, const Json& environment) = 0;
  virtual Status put_task(RunId run, const TaskRecord& task) = 0;  // insert or replace; keeps its samples
  virtual Result<std::vector<RunRecord>> runs() const = 0;         // oldest first
  virtual Result<std::optional<RunRecord>> run(RunId id) const = 0;
  virtual Result<std::vector<TaskRecord>> tasks(RunId run) const = 0;

  // --- responses
  // What can be reused: the first good response with this key, of any run. One that failed or was cancelled is kept
  // for the record and shown by for_each_sample, but never found here, so that a resume asks again.
  // want_token_logprobs is not in the key: a response found may come without them.
  // A response that the run `prefer` itself decoded goes before any other.
  virtual Result<std::optional<StoredResponse>> find_response(const std::string& reuse_key, RunId prefer = 0) const = 0;
  virtual Result<std::map<std::string, StoredResponse>> find_responses(const std::vector<std::string>& reuse_keys,
                                                                       RunId prefer = 0) const = 0;
  // Durable against SIGKILL when it returns. A run keeps the first good response of a key; a later one is ignored.
  // Runs that decode the same key (fresh, or side by side) each keep their own. An unknown task gets an empty
  // TaskRecord, an unknown run is not_found. ref.index is at most 65,535.
  virtual Status put_response(RunId run, const RequestRef& ref, const std::string& reuse_key, const Request& request,
                              const Response& response) = 0;
  // Many at once, in one transaction: all or none.
  virtual Status put_responses(RunId run, std::span<const NewResponse> batch) = 0;
  // This run uses a response that another run (or an earlier attempt) decoded, the one that find_response(key, run)
  // gives; not_found if there is none.
  virtual Status link_response(RunId run, const RequestRef& ref, const std::string& reuse_key) = 0;

  // --- samples and scores
  virtual Status put_sample(RunId run, const std::string& task, const Sample& sample) = 0;
  // Older scores of the same sample are kept with their version; the newest is current. Putting what is current
  // already changes nothing.
  virtual Status put_scores(RunId run, const std::string& task, int64_t doc_id, int scorer_version,
                            const std::vector<Score>& scores, const std::string& backend) = 0;
  // In doc order, a few samples in memory at a time; the callback returns false to stop, and may call the store.
  // A task that the run does not have has no samples.
  virtual Status for_each_sample(RunId run, const std::string& task,
                                 const std::function<bool(SampleRecord&&)>& visit) const = 0;
  virtual Result<std::vector<std::pair<int64_t, std::vector<Score>>>> current_scores(RunId run,
                                                                                     const std::string& task) const = 0;
  // The same without holding them all, and without prompts or responses.
  virtual Status for_each_score(RunId run, const std::string& task,
                                const std::function<bool(int64_t doc_id, std::vector<Score>&&)>& visit) const = 0;
  virtual Result<std::vector<ScoreVersion>> score_history(RunId run, const std::string& task, int64_t doc_id) const = 0;

  // --- series and texts
  virtual Status put_series(RunId run, const std::string& name, const Json& points) = 0;  // insert or replace
  virtual Result<std::map<std::string, Json>> series(RunId run) const = 0;                // by name
  virtual Status put_text(const std::string& name, const std::string& text) = 0;          // tracker notes, imports
  virtual Result<std::optional<std::string>> text(const std::string& name) const = 0;

  virtual Status flush() = 0;  // everything queued is on disk, fsynced
  // Reads everything: pages, foreign keys, every text against its hash. Problems are found, not errors.
  virtual Result<StoreCheck> check() const = 0;
  // Adds what the other store has and this one lacks; doing it again changes nothing. In short transactions.
  virtual Status merge(const std::string& other_path) = 0;
  virtual std::string path() const = 0;
};

struct StoreOptions {
  bool read_only = false;  // reports: never creates, never locks writers out; writing is then an error
  bool create = true;      // false: an absent file is not_found
};
Result<std::unique_ptr<Store>> open_store(const std::string& path, const StoreOptions& options);

// SHA-256, 64 hex digits, over key version, request_identity(), weights identity, and engine
// name/version/build/device/settings. Left out on purpose: request id, priority, conversation, want_token_logprobs, and
// from `engine_identity` and its "settings": preset, base_url, base_urls, api_key, headers, proxy, timeout_s,
// connect_timeout_s, retries, max_pending: they change no token. Invalid UTF-8 and non-finite numbers count exactly.
std::string reuse_key(const Request& request, const Json& weights_identity, const Json& engine_identity);

}  // namespace qeval
