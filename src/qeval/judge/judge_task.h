#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qeval/judge/answers.h"
#include "qeval/judge/prompts.h"
#include "qeval/task/task.h"

namespace qeval {

// One question to a judge. `about` says what it is about and is stored with the judge's answer.
struct JudgeQuestion {
  Json about;
  ChatPrompt prompt;
  int repeat = 0;  // > 0: the same question asked again, for self-agreement
};

inline constexpr const char* kRatingTask = "judge_rating";      // [[1]] to [[10]]
inline constexpr const char* kPairTask = "judge_pair";          // [[A]], [[B]] or [[C]]
inline constexpr const char* kCheckTask = "judge_check";        // the planted pairs

// Questions as a task, so that a judge's run is stored, resumed and reused as any other. Greedy, 2,048 new tokens.
// `name`: one of the above; `identity`: what else decides the questions (the run judged, the prompts' hash).
std::unique_ptr<Task> make_judge_task(const std::string& name, std::vector<JudgeQuestion> questions, Json identity);

// A registry that knows this one task and hands it out once.
std::unique_ptr<TaskRegistry> single_task_registry(std::unique_ptr<Task> task);

// Ratings: every turn of every answered question, then `n_again` turns (drawn with a fixed seed) once more.
// about: {doc_id, repeat, turn (1-based), question_id, category, prompt, referenced}.
Result<std::vector<JudgeQuestion>> rating_questions(const RunAnswers& answers, const JudgePrompts& prompts, size_t n_again);

// Comparisons of two runs' answers to the same questions, each turn in both orders ("ab" and "ba").
// about: {doc_id, turn, order, question_id, category, prompt, referenced}.
struct PairQuestions {
  std::vector<JudgeQuestion> questions;
  int64_t n_unmatched = 0;  // questions that only one run answered
};
Result<PairQuestions> pair_questions(const RunAnswers& a, const RunAnswers& b, const JudgePrompts& prompts);

// The comparison of two answers to one question, `answer_b` first where `swapped`.
Result<JudgeQuestion> pair_question(const AnsweredQuestion& a, const std::vector<std::string>& answers_b, size_t turn,
                                    bool swapped, const JudgePrompts& prompts);

}  // namespace qeval
