#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qeval/core/group_spec.h"
#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/tools/offer_tools.h"
#include "qeval/tools/outside_tools.h"
#include "qeval/util/result.h"

namespace qeval {

// Where tasks and data are looked for.
struct TaskSources {
  std::vector<std::string> include_paths;  // --include-path: searched before the shipped tasks
  std::string data_dir;                    // --data-dir / $QEVAL_DATA_DIR, "" = cache only
  std::string cache_dir;                   // user's cache
  bool offline = false;                    // no network for data
  const std::atomic<bool>* stop = nullptr; // true ends a download; may be null
  std::shared_ptr<OutsideTools> outside_tools;  // for tasks whose calls a benchmark's own code carries out; may be null
};

// Command-line changes to a task's protocol; recorded, and part of its identity.
struct TaskOverrides {
  std::optional<int> num_fewshot;
  std::optional<int> repeats;
  std::optional<int64_t> limit;            // first N docs
  std::vector<int64_t> doc_ids;            // exactly these docs (sampled or listed); empty = all up to limit
  std::optional<uint64_t> sample_seed;     // draw `limit` docs at random
  uint64_t fewshot_seed = 1234;
  bool apply_chat_template = false;
  bool fewshot_as_multiturn = true;        // only with a chat template
  std::string system_instruction;
  std::optional<bool> enable_thinking;
  std::optional<int> thinking_budget;      // tokens for thinking beside the answer's own limit; default 4,096
  std::optional<ToolMode> tool_mode;       // of tasks that offer tools or have a schema
  Json gen_kwargs;                         // replaces keys of generation_kwargs
  bool want_mutual_info = false;
  Json agent_settings;                     // workflow of agent tasks (agent/episode.h), keys that differ from the task's
  std::optional<double> agent_temperature; // of agent tasks where gen_kwargs says nothing
};

// Renders a conversation through the engine's chat template; needed where apply_chat_template is set.
using ChatRenderer = std::function<Result<std::string>(const ChatPrompt&)>;

// A loaded task: spec and data. Thread-safe after load.
class Task {
 public:
  virtual ~Task() = default;
  virtual const TaskSpec& spec() const = 0;
  virtual const std::vector<int64_t>& doc_ids() const = 0;     // which docs this run evaluates, in order
  virtual int64_t n_docs_total() const = 0;                    // of the split ("original" in lm-eval's n-samples)
  virtual std::string data_note() const = 0;                   // source and sha256 of the data actually read
  virtual Json identity() const = 0;                           // everything that decides prompts and scores, for hashing
  // Sample `i` of doc_ids(). Few-shot draws are made in doc order over the whole split, so any subset gives the same
  // prompts. Errors name task, doc id and key. `render` may be null for raw prompts.
  virtual Result<Sample> build(size_t i, const ChatRenderer& render) const = 0;

  // Conversations. A sample of a task with max_turns() > 1 may go on: whenever every request of `sample` is answered,
  // and none failed, the runner calls follow_up() with the responses so far (aligned with sample.requests) and appends
  // what it returns to sample.requests; nothing returned = the sample is complete and is scored. Must depend on its
  // arguments alone: an interrupted run calls it again with the stored responses to reach the same point, and a tool,
  // a simulated world or a scripted user is replayed from them. Requests with the same `repeat` form one conversation:
  // the runner gives them one conversation id and a priority that grows with the turn, so that a resident prefix is
  // used. Thread: the runner's; it blocks submission, so milliseconds at most. Error (environment): what carries out its
  // calls failed; the conversation goes no further.
  virtual int max_turns() const { return 1; }  // for estimates; at most so many requests per repeat
  virtual Result<std::vector<Request>> follow_up(const Sample& sample, const std::vector<Response>& responses) const {
    (void)sample, (void)responses;
    return std::vector<Request>();
  }
};

// A name that a user may pass to --tasks.
struct TaskListing {
  std::string name, kind;   // kind: task, group, tag, suite
  std::string title, category, version, output_type, file, description;
  std::vector<std::string> members;  // groups, tags, suites
};

class TaskRegistry {
 public:
  virtual ~TaskRegistry() = default;
  virtual std::vector<TaskListing> list() const = 0;
  // Expands groups and tags to leaf task names, in order, without doubles. Unknown name: bad_input with near matches.
  virtual Result<std::vector<std::string>> expand(const std::string& name) const = 0;
  // The groups that `name` stands for, outer ones first, each with its tasks; none for a task or a tag.
  virtual Result<std::vector<GroupSpec>> groups(const std::string& name) const = 0;
  virtual Result<std::unique_ptr<Task>> load(const std::string& name, const TaskOverrides& overrides) const = 0;
  // The spec alone, no data read.
  virtual Result<TaskSpec> describe(const std::string& name) const = 0;
  // Why the task cannot be run here, and what to do about it; "" = it can, as far as can be told without its data.
  virtual std::string pending(const std::string& name) const = 0;
};
// Errors in a YAML file of an include path surface when that task is used, or here if the folder cannot be read.
Result<std::unique_ptr<TaskRegistry>> open_task_registry(const TaskSources& sources);

// A suite entry: what runs for base and for instruct models.
struct SuiteEntry {
  std::string task;
  bool apply_chat_template = false;
  std::optional<int> num_fewshot;
  std::string pending;      // not "" : cannot run yet, shown as pending with this reason
  std::string row;          // the tracker's dataset row ("GSM8K")
};
struct Suite {
  std::string name, description;
  std::optional<int64_t> limit;
  std::vector<SuiteEntry> instruct, base;
};
Result<Suite> load_suite(const std::string& name, const std::vector<std::string>& include_paths);
std::vector<Suite> list_suites();

}  // namespace qeval
