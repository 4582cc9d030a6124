#include "qeval/runner/selfcheck_judged.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/judge/judge_task.h"
#include "qeval/judge/verdicts.h"
#include "qeval/runner/planted_conversation.h"
#include "qeval/scorer/judged.h"

namespace qeval {
namespace {

Response planted(std::string text) {
  Response r;
  r.finish = FinishReason::end_of_turn;
  r.text = std::move(text);
  return r;
}

Result<PlantedConversation> played(const Task& task, const Sample& sample, const std::string& answer) {
  return play_planted(task, sample, [&](const Request&, size_t turn) { return answer.empty() ? "" : fmt::format("{} {}", answer, turn + 1); });
}

SelfcheckItem item(const std::string& check, size_t n, const std::string& expected) {
  SelfcheckItem out;
  out.check = check;
  out.n = static_cast<int64_t>(n);
  out.expected = out.found = expected;
  out.passed = n > 0;
  return out;
}

void wrong(SelfcheckItem& item, int64_t doc_id, const std::string& found) {
  if (item.passed) item.found = found;
  item.passed = false;
  item.name_doc(doc_id);
}

AnsweredQuestion question_of(const PlantedConversation& c) {
  AnsweredQuestion q;
  q.doc_id = c.sample.doc_id;
  q.doc = c.sample.doc;
  for (const Json& turn : c.sample.doc["turns"]) q.turns.push_back(turn.get<std::string>());
  if (c.sample.doc.contains("reference_answers") && c.sample.doc["reference_answers"].is_array())
    for (const Json& text : c.sample.doc["reference_answers"]) q.references.push_back(text.get<std::string>());
  q.answers = answers_by_turn(c.sample, c.responses, 0, {});
  return q;
}

// Messages of turn i: i + 1 questions, and the answers given to all but the last.
bool sees_what_went_before(const PlantedConversation& c) {
  for (size_t i = 0; i < c.sample.requests.size(); ++i) {
    const auto* chat = std::get_if<ChatPrompt>(&c.sample.requests[i].prompt);
    if (!chat || chat->messages.size() != 2 * i + 1) return false;
    for (size_t m = 0; m < chat->messages.size(); ++m) {
      const std::string& wanted = m % 2 == 0 ? c.sample.doc["turns"][m / 2].get_ref<const std::string&>() : c.responses[m / 2].text;
      if (chat->messages[m].content != wanted) return false;
    }
  }
  return true;
}

bool asks_about(const JudgeQuestion& question, const AnsweredQuestion& q) {
  const std::string& text = question.prompt.messages.back().content;
  auto turn = static_cast<size_t>(json_int(question.about, "turn")) - 1;
  bool reference = !json_bool(question.about, "referenced") || text.find(q.references[turn]) != std::string::npos;
  return reference && text.find(q.turns[turn]) != std::string::npos && text.find(q.answers[turn]) != std::string::npos;
}

// The score that a judge's words make of one question.
Score rated(const PlantedConversation& c, const std::vector<JudgeQuestion>& questions, const std::string& words) {
  ScoringSpec reads;
  reads.scorer_options = {{"reads", "rating"}};
  RatedQuestion out;
  for (const JudgeQuestion& q : questions) {
    Score score = judgement_score(c.sample, planted(words), reads);
    if (score.failure_class != FailureClass::correct) ++out.n_unreadable;
    for (const auto& [name, value] : score.metrics)
      if (name == "given") out.ratings[{0, static_cast<int>(json_int(q.about, "turn"))}] = value;
  }
  return rated_score(out, unjudged_score(c.sample, c.responses, {}), {});
}

bool has_rating(const Score& score, double wanted) {
  return std::any_of(score.metrics.begin(), score.metrics.end(), [&](const auto& m) { return m.first == "rating" && m.second == wanted; });
}

}  // namespace

Result<std::vector<SelfcheckItem>> check_judged_task(const Task& task, const Scorer& scorer, std::vector<Sample> samples) {
  size_t n = samples.size();
  SelfcheckItem turns = item("turns", n, "every turn sees the answers before it"), asked = item("judge-asked", n, "question, answer and reference");
  SelfcheckItem gold = item("gold", n, "10.00 of 10"), mute = item("judge-empty", n, "no_rating"), empty = item("empty", n, "empty_or_refusal");
  QEVAL_TRY(JudgePrompts prompts, JudgePrompts::shipped());
  for (const Sample& sample : samples) {
    QEVAL_TRY(PlantedConversation full, played(task, sample, "Planted answer"));
    QEVAL_TRY(PlantedConversation blank, played(task, sample, ""));
    if (full.sample.requests.size() != sample.doc["turns"].size() || !sees_what_went_before(full)) wrong(turns, sample.doc_id, "another conversation");
    RunAnswers answers;
    answers.questions = {question_of(full)};
    QEVAL_TRY(auto questions, rating_questions(answers, prompts, 0));
    bool complete = !questions.empty() && std::all_of(questions.begin(), questions.end(), [&](const JudgeQuestion& q) { return asks_about(q, answers.questions[0]); });
    if (!complete) wrong(asked, sample.doc_id, "a part is missing");
    if (!has_rating(rated(full, questions, "Good. Rating: [[10]]"), 10)) wrong(gold, sample.doc_id, "another rating");
    Score silent = rated(full, questions, "");
    if (silent.failure_class != FailureClass::no_rating || !silent.metrics.empty()) wrong(mute, sample.doc_id, to_string(silent.failure_class));
    FailureClass of_blank = scorer.score(blank.sample, blank.responses)[0].failure_class;
    if (of_blank != FailureClass::empty_or_refusal) wrong(empty, sample.doc_id, to_string(of_blank));
  }
  return std::vector<SelfcheckItem>{turns, asked, gold, mute, empty};
}

}  // namespace qeval
