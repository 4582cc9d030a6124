#pragma once

// Private to task/: the one implementation of Task. loaded_task.cc reads and settles, sample_building.cc asks.

#include <memory>
#include <string>
#include <vector>

#include "qeval/agent/conversation.h"
#include "qeval/agent/user_turns.h"
#include "qeval/task/fewshot.h"
#include "qeval/task/loaded_task.h"
#include "qeval/task/prompt.h"

namespace qeval {

// One request before it becomes one: a context with its continuation, unmoved.
struct Question {
  std::vector<Turn> turns;
  bool begins_answer = false;   // the last turn is the beginning of the answer
  std::string continuation;
};

struct Parts {
  Sample sample;
  std::vector<Question> questions;
  std::vector<std::string> unconditional;   // continuations asked with an empty context
};

class LoadedTask final : public Task {
 public:
  LoadedTask(TaskConfig config, TaskOverrides overrides) : config_(std::move(config)), overrides_(std::move(overrides)) {}

  const TaskSpec& spec() const override { return config_.spec; }
  const std::vector<int64_t>& doc_ids() const override { return ids_; }
  int64_t n_docs_total() const override { return static_cast<int64_t>(docs_->size()); }
  std::string data_note() const override { return note_; }
  Json identity() const override { return identity_; }
  Result<Sample> build(size_t i, const ChatRenderer& render) const override;
  int max_turns() const override { return n_turns_; }
  Result<std::vector<Request>> follow_up(const Sample& sample, const std::vector<Response>& responses) const override {
    if (config_.workflow) return agent::follow_up(sample, responses);
    if (config_.user_turns) {
      if (!outside_tools_) return fail(ErrorKind::environment, config_.spec.name + ": there are no tools to carry out its calls");
      return agent::next_requests(sample, responses, *outside_tools_);
    }
    if (!config_.conversation.is_one()) return std::vector<Request>();
    return config_.conversation.follow_up(sample, responses, config_.spec.repeats, config_.spec.scoring.think_end_token);
  }
  Result<std::vector<RawArguments>> arguments(size_t i, const ChatRenderer& render) const;

  Status load(const TaskSources& sources, const HttpGet& get);

 private:
  Status apply_overrides();
  Status apply_agent_overrides();
  void count_turns();
  Status add_agent_requests(const ChatRenderer& render, Sample& sample) const;
  void add_user_turn_requests(Sample& sample) const;
  Result<Docs> read_split(const std::string& split, const std::string& hook, const TaskSources& sources, const HttpGet& get);
  Result<Docs> fewshot_pool(const TaskSources& sources, const HttpGet& get);
  Status choose_docs();
  Status draw_shots(const TaskSources& sources, const HttpGet& get);
  Status study_first_doc();
  void settle_chance();
  void settle_identity();

  Error located(int64_t doc_id, const Error& error) const { return error.in(fmt::format("{}: doc {}", config_.spec.name, doc_id)); }
  Result<Parts> parts(int64_t doc_id) const;
  Status add_choices(const Json& doc, const std::vector<Turn>& before, Parts& out) const;
  Status set_gold(const Json& doc, const Json& gold, Sample& sample) const;
  void set_references(const Json& target, Sample& sample) const;
  std::string choice_delimiter() const;
  Result<Prompt> prompt_of(const Question& question, const ChatRenderer& render) const;
  void add_generations(const Prompt& prompt, const std::string& json_schema, Sample& sample) const;
  Status settle_thinking();

  OutputType type() const { return config_.spec.scoring.output_type; }

  TaskConfig config_;
  TaskOverrides overrides_;
  PromptBuilder prompt_;
  Generation generation_;
  std::shared_ptr<OutsideTools> outside_tools_;  // only where the task needs them
  Docs docs_;
  std::vector<int64_t> ids_;
  FewshotDraws draws_;
  bool multiple_inputs_ = false, multiple_targets_ = false, mutual_info_ = false;
  int n_turns_ = 1;
  std::string note_;
  Json data_hashes_ = Json::object();
  Json identity_;
};

}  // namespace qeval
