#include "qeval/report/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace qeval {
namespace {

using ::testing::HasSubstr;

SampleRecord generated() {
  SampleRecord s;
  s.task = "gsm8k";
  s.doc_id = 7;
  s.sample = {
      {"doc", {{"question", "How many?"}}}, {"target", "#### 18"}, {"choices", Json::array()}, {"gold", Json::array()}};
  Request request;
  request.prompt = std::string("Question: How many?\nAnswer:");
  Response response;
  response.text = " The answer is 18.";
  response.finish = FinishReason::stop_string;
  response.stop_string = "Question:";
  response.n_prompt_tokens = 9;
  response.n_new_tokens = 6;
  s.requests = {request};
  s.responses = {response};
  Score strict, flexible;
  strict.filter = "strict-match";
  strict.extracted = "[invalid]";
  strict.failure_class = FailureClass::wrong_format;
  strict.explanation = "18 stands in the text";
  strict.metrics = {{"exact_match", 0}};
  flexible.filter = "flexible-extract";
  flexible.extracted = "18";
  flexible.failure_class = FailureClass::correct;
  flexible.metrics = {{"exact_match", 1}};
  s.scores = {strict, flexible};
  return s;
}

TEST(Show, ReadsAsADialogue) {
  EXPECT_EQ(sample_text(generated(), 0),
            "=== gsm8k doc 7\n"
            "--- prompt\nQuestion: How many?\nAnswer:\n"
            "--- answer (stop_string \"Question:\", 9 prompt and 6 new tokens)\n The answer is 18.\n"
            "--- gold\n#### 18\n"
            "--- strict-match: wrong_format (right answer, rejected by the protocol's format), exact_match = 0\n"
            "extracted: [invalid]\nwhy: 18 stands in the text\n"
            "--- flexible-extract: correct (right), exact_match = 1\nextracted: 18\n");
}

TEST(Show, MarksTheGoldOption) {
  SampleRecord s = generated();
  s.sample["choices"] = {"red", "blue"};
  s.sample["gold"] = {1};
  s.requests.clear();
  s.responses.clear();
  for (const char* choice : {" red", " blue"}) {
    Request r;
    r.kind = RequestKind::loglikelihood;
    r.prompt = std::string("Which?");
    r.continuation = choice;
    s.requests.push_back(r);
    Response a;
    a.finish = FinishReason::scored;
    a.logprob_nats = -1.5;
    a.is_greedy = s.responses.empty();
    s.responses.push_back(a);
  }
  std::string text = sample_text(s, 0);
  EXPECT_THAT(text, HasSubstr("--- log-likelihoods (* = gold)\n    \" red\"  -1.500 nats, greedy\n  * \" blue\"  "
                              "-1.500 nats\n--- gold\n1: blue\n"));
}

TEST(Show, SaysWhatFailed) {
  SampleRecord s = generated();
  s.responses[0] = Response{};
  s.responses[0].failure = EngineFailure::out_of_memory;
  s.responses[0].failure_message = "no room";
  s.scores.clear();
  std::string text = sample_text(s, 0);
  EXPECT_THAT(text, HasSubstr("engine failure: out_of_memory: no room"));
  EXPECT_THAT(text, HasSubstr("--- not scored"));
}

TEST(Show, HostileTextStaysText) {
  SampleRecord s = generated();
  std::string hostile =
      "\x1b[2J\x07\xff\xfe\xc2\x9b"
      "31m";
  s.task = hostile;
  s.sample["target"] = hostile;
  s.requests[0].prompt = hostile;
  s.responses[0].text = s.responses[0].stop_string = hostile;
  s.scores[0].filter = s.scores[0].extracted = s.scores[0].explanation = hostile;
  s.scores[0].metrics = {{hostile, 1}};
  s.backend = hostile;
  std::string text = sample_text(s, 0);
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    EXPECT_TRUE(c >= 0x20 || c == '\n') << static_cast<int>(c);
    if (c == 0xc2 && i + 1 < text.size()) {
      EXPECT_GE(static_cast<unsigned char>(text[i + 1]), 0xa0);
    }
  }
  EXPECT_TRUE(parse_json(dump_json(sample_json(s))).has_value());
}

TEST(Show, ShortensBetweenCharacters) {
  SampleRecord s = generated();
  std::string text;
  for (int i = 0; i < 100; ++i) text += "€";
  s.responses[0].text = text;
  for (size_t limit = 1; limit < 40; ++limit)
    EXPECT_THAT(sample_text(s, limit), testing::Not(HasSubstr("\\x"))) << limit;
  EXPECT_THAT(sample_text(s, 50), HasSubstr("bytes left out"));
}

TEST(Show, NothingStoredIsNoCrash) {
  EXPECT_THAT(sample_text(SampleRecord{}, 100), HasSubstr("no request stored"));
  SampleRecord s = generated();
  s.sample = Json();
  s.responses.clear();
  EXPECT_THAT(sample_text(s, 100), HasSubstr("--- gold\n\n"));
  s.sample = {{"choices", {"a"}}, {"gold", {5, -1, "x"}}, {"target", "t"}};
  EXPECT_THAT(sample_text(s, 100), HasSubstr("--- gold\nt\n"));
}

TEST(Show, TenMegabytesAreShortenedQuickly) {
  SampleRecord s = generated();
  s.responses[0].text = std::string(10000000, '\x1b');
  EXPECT_LT(sample_text(s, 2000).size(), 20000U);
}

}  // namespace
}  // namespace qeval
