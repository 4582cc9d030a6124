#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "qeval/judge/judge_task.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

constexpr uint64_t kAgainSeed = 20231209;

// FastChat's categories whose answers are compared with a reference.
bool wants_reference(const std::string& category) {
  return category == "math" || category == "reasoning" || category == "coding" || category == "arena-hard-200";
}

bool is_referenced(const AnsweredQuestion& q, size_t turn) {
  return wants_reference(q.category()) && q.references.size() > turn;
}

std::string prompt_name(const char* kind, bool referenced, size_t turn) {
  std::string version = std::string(kind) == "pair" && !referenced ? "v2" : "v1";
  return fmt::format("{}{}-{}{}", kind, referenced ? "-math" : "", version, turn > 0 ? "-multi-turn" : "");
}

// The names that MT-Bench's prompts use: `question` in the first turn, question_1 and question_2 in the second.
std::map<std::string, std::string> question_values(const AnsweredQuestion& q, size_t turn, bool referenced) {
  std::map<std::string, std::string> values;
  if (turn == 0) values["question"] = q.turns[0];
  for (size_t i = 0; turn > 0 && i <= turn; ++i) values[fmt::format("question_{}", i + 1)] = q.turns[i];
  for (size_t i = 0; referenced && i <= turn; ++i) values[fmt::format("ref_answer_{}", i + 1)] = q.references[i];
  return values;
}

void add_answers(std::map<std::string, std::string>& values, const std::string& name, const std::vector<std::string>& answers, size_t turn) {
  if (turn == 0) values[name] = answers[0];
  for (size_t i = 0; turn > 0 && i <= turn; ++i) values[fmt::format("{}_{}", name, i + 1)] = answers[i];
}

Json about_of(const AnsweredQuestion& q, size_t turn, const std::string& prompt, bool referenced) {
  Json about = {{"doc_id", q.doc_id}, {"repeat", q.repeat}, {"turn", turn + 1}};
  about["question_id"] = q.doc.contains("question_id") ? q.doc["question_id"] : Json();
  about["category"] = q.category();
  about["prompt"] = prompt;
  about["referenced"] = referenced;
  return about;
}

// MT-Bench's prompts know two turns.
size_t n_turns(const AnsweredQuestion& q) { return std::min<size_t>({q.turns.size(), q.answers.size(), 2}); }

Result<JudgeQuestion> rating_question(const AnsweredQuestion& q, size_t turn, const JudgePrompts& prompts) {
  bool referenced = is_referenced(q, turn);
  QEVAL_TRY(JudgePrompt prompt, prompts.named(prompt_name("single", referenced, turn)));
  auto values = question_values(q, turn, referenced);
  add_answers(values, "answer", q.answers, turn);
  JudgeQuestion out;
  out.about = about_of(q, turn, prompt.name, referenced);
  QEVAL_TRY(out.prompt, fill_prompt(prompt, values));
  return out;
}

}  // namespace

Result<std::vector<JudgeQuestion>> rating_questions(const RunAnswers& answers, const JudgePrompts& prompts, size_t n_again) {
  std::vector<JudgeQuestion> out;
  for (const AnsweredQuestion& q : answers.questions)
    for (size_t turn = 0; turn < n_turns(q); ++turn) {
      QEVAL_TRY(JudgeQuestion question, rating_question(q, turn, prompts));
      out.push_back(std::move(question));
    }
  PyRandom random(kAgainSeed);
  std::vector<size_t> again = random.sample(out.size(), std::min(n_again, out.size()));
  std::sort(again.begin(), again.end());
  for (size_t i : again) {
    JudgeQuestion question = out[i];
    question.repeat = 1;
    question.about["again"] = true;
    out.push_back(std::move(question));
  }
  return out;
}

Result<JudgeQuestion> pair_question(const AnsweredQuestion& a, const std::vector<std::string>& answers_b, size_t turn,
                                    bool swapped, const JudgePrompts& prompts) {
  bool referenced = is_referenced(a, turn);
  QEVAL_TRY(JudgePrompt prompt, prompts.named(prompt_name("pair", referenced, turn)));
  auto values = question_values(a, turn, referenced);
  add_answers(values, "answer_a", swapped ? answers_b : a.answers, turn);
  add_answers(values, "answer_b", swapped ? a.answers : answers_b, turn);
  JudgeQuestion out;
  out.about = about_of(a, turn, prompt.name, referenced);
  out.about["order"] = swapped ? "ba" : "ab";
  QEVAL_TRY(out.prompt, fill_prompt(prompt, values));
  return out;
}

Result<PairQuestions> pair_questions(const RunAnswers& a, const RunAnswers& b, const JudgePrompts& prompts) {
  std::map<std::string, const AnsweredQuestion*> of_b;
  auto key = [](const AnsweredQuestion& q) { return dump_json(Json(q.turns)); };
  for (const AnsweredQuestion& q : b.questions)
    if (q.repeat == 0) of_b[key(q)] = &q;
  PairQuestions out;
  for (const AnsweredQuestion& q : a.questions) {
    if (q.repeat != 0) continue;
    auto other = of_b.find(key(q));
    if (other == of_b.end()) {
      ++out.n_unmatched;
      continue;
    }
    for (size_t turn = 0; turn < std::min(n_turns(q), n_turns(*other->second)); ++turn)
      for (bool swapped : {false, true}) {
        QEVAL_TRY(JudgeQuestion question, pair_question(q, other->second->answers, turn, swapped, prompts));
        out.questions.push_back(std::move(question));
      }
    of_b.erase(other);
  }
  out.n_unmatched += static_cast<int64_t>(of_b.size());
  return out;
}

}  // namespace qeval
