#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "test_server/test_server.h"

// The test server as a process: `qeval_test_server [--port N] [--tokens N] [--first-ms X] [--interval-ms X]
// [--max-running N] [--no-likelihoods] [--stamps] [--key K] [--fault NAME=P]...` prints its port and serves until SIGTERM, then its counts.
int main(int argc, char** argv) {
  qeval::testing::TestServerOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--no-likelihoods" || name == "--stamps") {
      (name == "--stamps" ? options.stamps : options.likelihoods) = name == "--stamps";
      continue;
    }
    if (i + 1 >= argc) return 2;
    const std::string value = argv[++i];
    if (name == "--port") options.port = std::atoi(value.c_str());
    else if (name == "--tokens") options.n_tokens = std::atoi(value.c_str());
    else if (name == "--first-ms") options.first_token_s = std::atof(value.c_str()) / 1000;
    else if (name == "--interval-ms") options.token_interval_s = std::atof(value.c_str()) / 1000;
    else if (name == "--max-running") options.max_running = std::atoi(value.c_str());
    else if (name == "--key") options.api_key = value;
    else if (name == "--model") options.model = value;
    else if (name == "--fault" && value.find('=') != std::string::npos)
      options.faults[value.substr(0, value.find('='))] = std::atof(value.c_str() + value.find('=') + 1);
    else return 2;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  qeval::testing::TestServer server(options);
  if (server.port() == 0) return 1;
  fmt::print("{}\n", server.port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&set, &signal);
  const auto counts = server.counts();
  fmt::print("{{\"questions\": {}, \"answered\": {}, \"new_tokens\": {}, \"prompt_tokens\": {}}}\n", counts.n_questions,
             counts.n_answered, counts.n_new_tokens, counts.n_prompt_tokens);
  return 0;
}
