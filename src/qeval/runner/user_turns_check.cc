#include "qeval/runner/user_turns_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/agent/user_turns.h"
#include "qeval/core/tool_call.h"
#include "qeval/runner/planted_conversation.h"

namespace qeval {
namespace {

constexpr const char* kDone = "That is all.";
constexpr const char* kBroken = "<tool_call>\n{\"name\": \"cut he";

std::string call_text(const Json& calls) {
  std::vector<ServerToolCall> list;
  for (const Json& call : calls) list.push_back({"", json_string(call, "name"), dump_json(call["arguments"])});
  return text_with_tool_calls("", list);
}

// One answer a call, as far as the benchmark allows; the last holds what is left. Then the turn ends.
std::vector<std::string> answers_of(const Json& turns) {
  std::vector<std::string> out;
  for (const Json& turn : turns) {
    for (size_t i = 0; i < turn.size(); ++i) {
      const bool last = i + 1 == static_cast<size_t>(agent::kMaxStepsPerTurn);
      Json step = Json::array();
      for (size_t k = i; k < (last ? turn.size() : i + 1); ++k) step.push_back(turn[k]);
      out.push_back(call_text(step));
      if (last) break;
    }
    out.push_back(kDone);
  }
  return out;
}

class UserTurnsCheck {
 public:
  UserTurnsCheck(const Task& task, const std::vector<Sample>& samples, const Scorer& scorer, OutsideTools& tools,
                 const std::function<void(SelfcheckItem)>& add)
      : task_(task), samples_(samples), scorer_(scorer), tools_(tools), add_(add) {}

  Status run(bool variants) {
    QEVAL_CHECK(read_golds());
    QEVAL_CHECK(check("gold", [&](size_t i) { return answers_of(golds_[i]); }, FailureClass::correct));
    QEVAL_CHECK(check("empty", [](size_t) { return std::vector<std::string>(); }, FailureClass::no_call));
    if (!variants) return {};
    QEVAL_CHECK(check("variant:last turn left out", [&](size_t i) { return answers_of(without_last(golds_[i])); }, FailureClass::prose));
    QEVAL_CHECK(check("variant:unreadable call", [&](size_t i) { return with_broken_turn(golds_[i]); }, FailureClass::unterminated_string));
    return check("variant:never done", [&](size_t i) { return endless(golds_[i]); }, FailureClass::step_limit);
  }

 private:
  using Answers = std::function<std::vector<std::string>(size_t sample)>;

  Status read_golds() {
    for (const Sample& sample : samples_) {
      QEVAL_TRY(Json gold, tools_.read_accepted(agent::scenario_of(sample.doc), sample.doc["ground_truth"]));
      golds_.push_back(std::move(gold));
    }
    return {};
  }

  static Json without_last(Json turns) {
    for (size_t i = turns.size(); i-- > 0;) {
      if (turns[i].empty()) continue;
      turns[i] = Json::array();
      break;
    }
    return turns;
  }

  // The first turn in which calls are due ends with half a call.
  static std::vector<std::string> with_broken_turn(const Json& turns) {
    std::vector<std::string> out;
    for (const Json& turn : turns) {
      if (!turn.empty()) break;
      out.push_back(kDone);
    }
    out.push_back(kBroken);
    return out;
  }

  // The first call again and again: 21 steps in one turn are too many, where another turn follows.
  static std::vector<std::string> endless(const Json& turns) {
    for (const Json& turn : turns)
      if (!turn.empty()) return std::vector<std::string>(static_cast<size_t>(agent::kMaxStepsPerTurn) + 1, call_text(Json::array({turn[0]})));
    return {};
  }

  Status check(const std::string& name, const Answers& answers, FailureClass expected) {
    SelfcheckItem item;
    item.check = name;
    item.expected = to_string(expected);
    item.n = static_cast<int64_t>(samples_.size());
    item.passed = item.n > 0;
    for (size_t i = 0; i < samples_.size(); ++i) {
      const std::vector<std::string> planted = answers(i);
      auto answer = [&](const Request&, size_t turn) { return turn < planted.size() ? planted[turn] : std::string(); };
      QEVAL_TRY(PlantedConversation played, play_planted(task_, samples_[i], answer));
      Score score = scorer_.score(played.sample, played.responses).front();
      if (score.failure_class == FailureClass::sandbox_failure) return fail(ErrorKind::environment, score.explanation);
      const bool metric_fits = !score.metrics.empty() && score.metrics[0].second == (expected == FailureClass::correct ? 1 : 0);
      if (score.failure_class == expected && metric_fits) continue;
      if (item.passed) item.found = fmt::format("doc {}: {} {}", samples_[i].doc_id, to_string(score.failure_class), score.explanation);
      item.passed = false;
      item.name_doc(samples_[i].doc_id);
    }
    if (item.passed) item.found = item.expected;
    add_(std::move(item));
    return {};
  }

  const Task& task_;
  const std::vector<Sample>& samples_;
  const Scorer& scorer_;
  OutsideTools& tools_;
  const std::function<void(SelfcheckItem)>& add_;
  std::vector<Json> golds_;  // [[call]] of each sample
};

}  // namespace

Status check_user_turns_task(const Task& task, const std::vector<Sample>& samples, const Scorer& scorer, OutsideTools& tools,
                             bool variants, const std::function<void(SelfcheckItem)>& add) {
  return UserTurnsCheck(task, samples, scorer, tools, add).run(variants);
}

}  // namespace qeval
