#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace qeval::testing {

// What can go wrong, by name with its probability per question: slow_first_byte, stall, cut, rate_limit,
// rate_limit_after, burst_500, malformed, half, wrong_type, empty_choices, duplicate, huge, wrong_counts, restart.
struct TestServerOptions {
  int port = 0;                          // 0: any
  std::string model = "test-model";
  std::string api_key;                   // not "": any other key is 401
  int n_tokens = 8;                      // of an answer, unless max_tokens is less
  double first_token_s = 0, token_interval_s = 0;
  std::map<std::string, double> faults;
  double slow_s = 0.4, down_s = 0.3;     // of slow_first_byte, of restart
  uint64_t seed = 1;
  int max_running = 0;                   // more wait for a place; 0: no bound
  bool stamps = false;                   // words are the time of sending (steady clock, ns) in place of an answer
  bool likelihoods = true;               // echo, logprobs and /tokenize
};

struct TestServerCounts {
  int64_t n_questions = 0, n_answered = 0;  // answered: in full and without a fault
  int64_t n_prompt_tokens = 0, n_new_tokens = 0;  // as reported in answers without a fault
  std::map<std::string, int64_t> faults;
};

// An OpenAI-compatible server that answers by rule and fails on purpose: one thread, epoll, loopback only. One token is
// one word of the answer; prompts count one token per byte.
class TestServer {
 public:
  explicit TestServer(const TestServerOptions& options);  // listens when it returns; port() 0: it could not
  ~TestServer();
  int port() const;
  std::string url() const;
  TestServerCounts counts() const;

  // What a prompt (text, or the content of a chat's last message) is answered with.
  static std::string answer_of(const std::string& prompt, int n_tokens);
  // The log-probability of token `token` after `previous`, for echo.
  static double logprob_of(int previous, int token);

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace qeval::testing
