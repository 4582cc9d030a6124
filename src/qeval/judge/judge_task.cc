#include "qeval/judge/judge_task.h"

#include <fmt/format.h>

#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr int kMaxNewTokens = 2048;

class JudgeTask : public Task {
 public:
  JudgeTask(const std::string& name, std::vector<JudgeQuestion> questions, Json identity)
      : questions_(std::move(questions)), identity_(std::move(identity)) {
    spec_.name = name;
    spec_.version = "1";
    spec_.file = name;
    spec_.title = name == kRatingTask ? "Judge: ratings" : name == kPairTask ? "Judge: comparisons" : "Judge: planted pairs";
    spec_.dataset_title = name;
    spec_.always_chat = true;
    spec_.scoring.output_type = OutputType::generate_until;
    spec_.scoring.scorer = "judgement";
    spec_.scoring.scorer_options = {{"reads", name == kRatingTask ? "rating" : "preference"}};
    spec_.scoring.metrics.push_back({"readable", "mean", true, Json::object()});
    if (name == kRatingTask) spec_.scoring.metrics.push_back({"given", "mean", true, Json::object()});
    spec_.config = {{"task", name}, {"judge", identity_}};
    for (size_t i = 0; i < questions_.size(); ++i) ids_.push_back(static_cast<int64_t>(i));
  }

  const TaskSpec& spec() const override { return spec_; }
  const std::vector<int64_t>& doc_ids() const override { return ids_; }
  int64_t n_docs_total() const override { return static_cast<int64_t>(ids_.size()); }
  std::string data_note() const override { return ""; }
  Json identity() const override {
    Json out = identity_;
    Sha256 all;
    for (const JudgeQuestion& q : questions_) all.update(dump_json(to_json(q.prompt)) + std::to_string(q.repeat) + "\n");
    out["task"] = spec_.name;
    out["questions_sha256"] = all.hex();
    return out;
  }

  Result<Sample> build(size_t i, const ChatRenderer&) const override {
    if (i >= questions_.size()) return fail(ErrorKind::internal, fmt::format("{}: question {} of {}", spec_.name, i, questions_.size()));
    const JudgeQuestion& question = questions_[i];
    Sample sample;
    sample.doc_id = static_cast<int64_t>(i);
    sample.doc = question.about;
    sample.doc_hash = sha256_hex(dump_json(question.about));
    Request request;
    request.kind = RequestKind::generate;
    request.prompt = question.prompt;
    request.max_new_tokens = kMaxNewTokens;
    request.repeat = question.repeat;
    sample.requests.push_back(std::move(request));
    return sample;
  }

 private:
  TaskSpec spec_;
  std::vector<JudgeQuestion> questions_;
  Json identity_;
  std::vector<int64_t> ids_;
};

class SingleTask : public TaskRegistry {
 public:
  explicit SingleTask(std::unique_ptr<Task> task) : task_(std::move(task)) {}
  std::vector<TaskListing> list() const override { return {}; }
  Result<std::vector<std::string>> expand(const std::string& name) const override { return std::vector<std::string>{name}; }
  Result<std::vector<GroupSpec>> groups(const std::string&) const override { return std::vector<GroupSpec>(); }
  Result<std::unique_ptr<Task>> load(const std::string& name, const TaskOverrides&) const override {
    if (!task_) return fail(ErrorKind::internal, fmt::format("{} was handed out already", name));
    return std::move(task_);
  }
  Result<TaskSpec> describe(const std::string& name) const override {
    if (!task_) return bad_input(fmt::format("there is no task '{}'", name));
    return task_->spec();
  }
  std::string pending(const std::string&) const override { return ""; }

 private:
  mutable std::unique_ptr<Task> task_;
};

}  // namespace

std::unique_ptr<Task> make_judge_task(const std::string& name, std::vector<JudgeQuestion> questions, Json identity) {
  return std::make_unique<JudgeTask>(name, std::move(questions), std::move(identity));
}

std::unique_ptr<TaskRegistry> single_task_registry(std::unique_ptr<Task> task) {
  return std::make_unique<SingleTask>(std::move(task));
}

}  // namespace qeval
