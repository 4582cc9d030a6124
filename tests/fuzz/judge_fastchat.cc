// Answer files of others are read or refused, and what was read is written so that it reads the same.
#include <cstdint>
#include <cstdlib>

#include "qeval/judge/fastchat.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto read = qeval::parse_fastchat_answers(std::string(reinterpret_cast<const char*>(data), size), "file");
  if (!read) return 0;
  qeval::RunAnswers answers;
  for (const auto& [id, turns] : read->by_question) {
    qeval::AnsweredQuestion q;
    q.doc_id = id;
    q.doc = {{"question_id", id}};
    q.answers = turns;
    answers.questions.push_back(q);
  }
  auto again = qeval::parse_fastchat_answers(qeval::fastchat_answers(answers, read->model_id, 0), "again");
  if (!again || again->by_question.size() != read->by_question.size()) std::abort();
  return 0;
}
