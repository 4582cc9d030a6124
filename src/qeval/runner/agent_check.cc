#include "qeval/runner/agent_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/agent/baseline.h"
#include "qeval/agent/world.h"
#include "qeval/runner/planted_conversation.h"

namespace qeval {
namespace {

using agent::BaselineKind;

class AgentCheck {
 public:
  AgentCheck(const Task& task, const std::vector<Sample>& samples, const Scorer& scorer,
             const std::function<void(SelfcheckItem)>& add)
      : task_(task), samples_(samples), scorer_(scorer), add_(add) {}

  Status run() {
    auto always = [](const Sample&) { return true; };
    auto never = [](const Sample&) { return false; };
    auto nothing_due = [](const Sample& s) { return json_string(s.doc, "kind") == "nothing_to_do"; };
    QEVAL_CHECK(check(BaselineKind::gold, always, &AgentCheck::is_clean));
    QEVAL_CHECK(check(BaselineKind::silent, nothing_due));
    QEVAL_CHECK(check(BaselineKind::do_nothing, nothing_due));
    QEVAL_CHECK(check(BaselineKind::careless, [](const Sample& s) { return leaves_no_trace(s.doc); }));
    QEVAL_CHECK(check(BaselineKind::eager, never));
    QEVAL_CHECK(published(BaselineKind::do_nothing, "do_nothing"));
    return published(BaselineKind::random, "random");
  }

 private:
  using Wanted = std::function<bool(const Sample&)>;

  // The last gold call only reads, or nothing may be changed at all: without it the final state is the same.
  static bool leaves_no_trace(const Json& doc) {
    if (std::all_of(doc["accepted"].begin(), doc["accepted"].end(), [](const Json& patch) { return patch.empty(); })) return true;
    std::string last;
    for (const Json& turn : doc["gold"])
      if (turn.contains("calls")) last = json_string(turn["calls"].back(), "name");
    const agent::Tool* tool = agent::find_world(json_string(doc, "world"))->find(last);
    return !tool || !tool->writes;
  }

  bool is_clean(const Score& score) const {
    for (const auto& [name, value] : score.metrics)
      if ((name == "needless_writes" || name == "invalid_call_rate") && value != 0) return false;
    return true;
  }

  // The runner's loop with this agent in the model's place.
  Result<Score> play(Sample sample, BaselineKind kind) const {
    agent::Baseline baseline(kind, sample.doc);
    auto answer = [&](const Request& request, size_t) {
      const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
      return baseline.answer(chat ? chat->tools : Json());
    };
    QEVAL_TRY(PlantedConversation played, play_planted(task_, std::move(sample), answer));
    return scorer_.score(played.sample, played.responses).front();
  }

  Status check(BaselineKind kind, const Wanted& wanted, bool (AgentCheck::*also)(const Score&) const = nullptr) {
    SelfcheckItem item;
    item.check = agent::to_string(kind);
    item.n = static_cast<int64_t>(samples_.size());
    int64_t n_wanted = 0, n_success = 0;
    for (const Sample& sample : samples_) {
      QEVAL_TRY(Score score, play(sample, kind));
      bool success = score.failure_class == FailureClass::correct;
      n_wanted += wanted(sample);
      n_success += success;
      if (success == wanted(sample) && (!success || !also || (this->*also)(score))) continue;
      if (item.doc_ids.empty()) item.found = fmt::format(" (doc {}: {} {})", sample.doc_id, to_string(score.failure_class), score.explanation);
      item.name_doc(sample.doc_id);
    }
    item.expected = fmt::format("{} of {}", n_wanted, item.n);
    item.found = fmt::format("{} of {}", n_success, item.n) + item.found;
    item.passed = item.n > 0 && item.doc_ids.empty();
    add_(std::move(item));
    return {};
  }

  Status published(BaselineKind kind, const char* key) {
    const Json& config = task_.spec().config;
    Json metadata = config.value("metadata", Json::object());
    Json baselines = metadata.value("baselines", Json::object());
    if (static_cast<int64_t>(samples_.size()) != task_.n_docs_total() || !baselines.contains(key)) return {};
    int64_t n_success = 0;
    for (const Sample& sample : samples_) {
      QEVAL_TRY(Score score, play(sample, kind));
      n_success += score.failure_class == FailureClass::correct;
    }
    SelfcheckItem item;
    item.check = fmt::format("baseline:{}", key);
    item.n = static_cast<int64_t>(samples_.size());
    double value = static_cast<double>(n_success) / static_cast<double>(item.n);
    item.expected = fmt::format("{:.4f}", json_number(baselines, key, -1));
    item.found = fmt::format("{:.4f}", value);
    item.passed = std::fabs(value - json_number(baselines, key, -1)) < 5e-5;
    add_(std::move(item));
    return {};
  }

  const Task& task_;
  const std::vector<Sample>& samples_;
  const Scorer& scorer_;
  const std::function<void(SelfcheckItem)>& add_;
};

}  // namespace

Status check_agent_task(const Task& task, const std::vector<Sample>& samples, const Scorer& scorer,
                        const std::function<void(SelfcheckItem)>& add) {
  return AgentCheck(task, samples, scorer, add).run();
}

}  // namespace qeval
