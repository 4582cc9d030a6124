// What the client of engine openai can do by itself, storing included, against the test server:
//   qeval_test_server --tokens 1 --port 8555 &              bench_client_speed short http://127.0.0.1:8555 50000 64
//   qeval_test_server --tokens 200 --interval-ms 50 --stamps --port 8556 &
//                                                           bench_client_speed streams http://127.0.0.1:8556 1000 1000
// Prints JSON: rates, the client's CPU, and for streams the time from the server's stamp in each token to its arrival.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "qeval/engine/openai/openai_engine.h"
#include "qeval/load/answer_keeper.h"
#include "qeval/stats/latency_histogram.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

double process_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void add_latencies(const Response& r, SteadyClock::time_point submitted, LatencyHistogram* added) {
  const char* at = r.text.c_str();
  const double base_s = std::chrono::duration<double>(submitted.time_since_epoch()).count();
  for (float time_s : r.token_times_s) {
    char* end = nullptr;
    const double stamp_s = static_cast<double>(std::strtoull(at, &end, 10)) / 1e9;
    if (end == at) return;
    at = end;
    added->add(base_s + time_s - stamp_s);
  }
}

Status measure(const std::string& mode, const std::string& url, int64_t n, int concurrency) {
  OpenAiOptions options;
  options.base_urls = {url};
  options.model_names = {"test-model"};
  options.preset.max_num_seqs = concurrency;
  options.adaptive = false;
  QEVAL_TRY(auto engine, connect_openai_engine(options));
  const std::string path = std::filesystem::temp_directory_path() / fmt::format("client_speed_{}.db", getpid());
  QEVAL_TRY(auto store, open_store(path, {}));
  RunRecord record;
  record.run_key = path;
  QEVAL_TRY(RunRecord run, store->begin_run(record, true));
  AnswerKeeper keeper(*store, run.id, "speed", path);
  SessionOptions session_options;
  session_options.max_pending = 16384;
  QEVAL_TRY(auto session, engine->open_session(session_options));
  std::vector<SteadyClock::time_point> submitted(static_cast<size_t>(n));
  LatencyHistogram added, e2e;
  const auto start = SteadyClock::now();
  const double cpu_before = process_cpu_s();
  int64_t n_sent = 0, n_done = 0, n_failed = 0, n_tokens = 0;
  while (n_done < n) {
    while (n_sent < n && n_sent - n_done < 4 * concurrency) {
      Request request;
      request.id = static_cast<RequestId>(n_sent);
      request.prompt = ChatPrompt{{{"user", fmt::format("question {} of a short kind", n_sent), nullptr}}, nullptr, false, std::nullopt};
      request.max_new_tokens = 4096;
      submitted[static_cast<size_t>(n_sent)] = SteadyClock::now();
      QEVAL_TRY(bool accepted, session->submit(std::move(request)));
      if (!accepted) break;
      ++n_sent;
    }
    auto response = session->next(std::chrono::seconds(30));
    if (!response) return fail(ErrorKind::environment, "no answer for 30 s");
    ++n_done;
    n_failed += response->failure != EngineFailure::none;
    n_tokens += response->n_new_tokens;
    e2e.add(response->total_s - response->queue_s);
    if (mode == "streams") add_latencies(*response, submitted[response->id], &added);
    QEVAL_CHECK(keeper.put(static_cast<int64_t>(response->id), {}, *response));
  }
  QEVAL_CHECK(keeper.finish());
  QEVAL_CHECK(store->flush());
  const double wall_s = seconds_since(start), cpu = process_cpu_s() - cpu_before;
  fmt::print("{{\"mode\": \"{}\", \"requests\": {}, \"failed\": {}, \"concurrency\": {}, \"wall_s\": {:.3f}, \"requests_per_s\": {:.0f}, "
             "\"tokens_per_s\": {:.0f}, \"cpu_us_per_request\": {:.1f}, \"cpu_us_per_token\": {:.2f}, \"cpu_cores\": {:.2f}, \"e2e_p99_ms\": {:.2f}",
             mode, n, n_failed, concurrency, wall_s, static_cast<double>(n) / wall_s, static_cast<double>(n_tokens) / wall_s,
             1e6 * cpu / static_cast<double>(n), 1e6 * cpu / static_cast<double>(std::max<int64_t>(1, n_tokens)), cpu / wall_s, 1000 * e2e.percentile(0.99).value_or(0));
  if (added.n() > 0)
    fmt::print(", \"added_p50_ms\": {:.3f}, \"added_p99_ms\": {:.3f}, \"added_max_ms\": {:.3f}", 1000 * *added.percentile(0.5), 1000 * *added.percentile(0.99), 1000 * added.max_s());
  fmt::print("}}\n");
  store.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  return {};
}

}  // namespace
}  // namespace qeval

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: bench_client_speed short|streams URL REQUESTS CONCURRENCY\n");
    return 2;
  }
  auto done = qeval::measure(argv[1], argv[2], std::atoll(argv[3]), std::atoi(argv[4]));
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
