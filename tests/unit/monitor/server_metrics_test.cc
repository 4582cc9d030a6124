#include "qeval/monitor/server_metrics.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "qeval/monitor/usage.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

std::string golden(const std::string& name) {
  auto text = read_file(QEVAL_SOURCE_DIR "/tests/cases/monitor/" + name);
  EXPECT_TRUE(text) << name;
  return text.value_or("");
}

TEST(ServerMetrics, OfARealVllm) {
  ServerReading r = parse_server_metrics(golden("metrics_vllm_0.32.txt"));
  EXPECT_EQ(r.running, 0);
  EXPECT_EQ(r.waiting, 0);
  EXPECT_EQ(r.kv_usage, 0);
  EXPECT_EQ(r.prompt_tokens, 5);
  EXPECT_EQ(r.generation_tokens, 1);
  EXPECT_EQ(r.requests, 1);
  EXPECT_EQ(r.preemptions, 0);
  EXPECT_EQ(r.prefix_hits, 0);
  EXPECT_NEAR(*r.ttft_s, 1.1344, 1e-4);
  EXPECT_EQ(r.ttft_n, 1);
  EXPECT_NEAR(*r.prefill_s, 1.0896, 1e-4);
  EXPECT_NEAR(*r.queue_s, 0.00025, 1e-5);
}

TEST(ServerMetrics, OlderNamesAndOtherServers) {
  ServerReading old = parse_server_metrics("vllm:gpu_cache_usage_perc{model_name=\"a b} c\\\"\"} 0.5\nvllm:time_per_output_token_seconds_sum{} 2\n"
                                           "vllm:time_per_output_token_seconds_count 4 1700000000\nvllm:gpu_prefix_cache_hits_total 7\n");
  EXPECT_EQ(old.kv_usage, 0.5);
  EXPECT_EQ(old.itl_s, 2);
  EXPECT_EQ(old.itl_n, 4);
  EXPECT_EQ(old.prefix_hits, 7);
  ServerReading llama = parse_server_metrics("# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 2\nllamacpp:requests_deferred 5\n"
                                             "llamacpp:tokens_predicted_total 123\nllamacpp:prompt_tokens_total 1000\n");
  EXPECT_EQ(llama.running, 2);
  EXPECT_EQ(llama.waiting, 5);
  EXPECT_EQ(llama.generation_tokens, 123);
  EXPECT_FALSE(llama.preemptions);
}

TEST(ServerMetrics, EnginesOfOneServerAreSummedAndTheirCachesAveraged) {
  ServerReading r = parse_server_metrics("vllm:num_requests_running{engine=\"0\"} 3\nvllm:num_requests_running{engine=\"1\"} 4\n"
                                         "vllm:kv_cache_usage_perc{engine=\"0\"} 0.2\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.6\n");
  EXPECT_EQ(r.running, 7);
  EXPECT_DOUBLE_EQ(*r.kv_usage, 0.4);
}

TEST(ServerMetrics, BrokenLinesArePassedOver) {
  ServerReading r = parse_server_metrics("vllm:num_requests_running{a=\"b\nvllm:num_requests_running NaN\nvllm:num_requests_running x\nvllm:\n{} 1\n"
                                         "vllm:num_requests_running{} 1");
  EXPECT_EQ(r.running, 1);
}

// Answers each request with the next of some bodies, the last for ever.
class TinyServer {
 public:
  explicit TinyServer(std::vector<std::string> bodies) : bodies_(std::move(bodies)), fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(fd_, 16);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/metrics";
    thread_ = std::thread([this] { loop(); });
  }
  ~TinyServer() {
    ::shutdown(fd_, SHUT_RDWR);
    ::close(fd_);
    thread_.join();
  }
  std::string url() const { return url_; }
  std::atomic<size_t> n{0};

 private:
  void loop() {
    for (int client; (client = ::accept(fd_, nullptr, nullptr)) >= 0; ::close(client)) {
      char buffer[4096];
      if (::read(client, buffer, sizeof buffer) <= 0) continue;
      const std::string& body = bodies_[std::min(n.load(), bodies_.size() - 1)];
      std::string reply = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      if (::write(client, reply.data(), reply.size()) > 0) ++n;
    }
  }
  std::vector<std::string> bodies_;
  int fd_;
  std::string url_;
  std::thread thread_;
};

std::string reading(int running, int generated, int preempted) {
  return "vllm:num_requests_running " + std::to_string(running) + "\nvllm:generation_tokens_total " + std::to_string(generated) +
         "\nvllm:num_preemptions_total " + std::to_string(preempted) + "\n";
}

TEST(ServerWatch, CountersCountFromTheStartAndGaugesAreAveraged) {
  TinyServer server({reading(2, 100, 5), reading(4, 150, 6), reading(6, 300, 9)});
  ServerWatch watch({server.url()});
  watch.start(std::chrono::milliseconds(100));
  while (server.n < 2) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  watch.stop();
  Json summary = watch.summary();
  EXPECT_EQ(summary.at("generation_tokens"), 200);
  EXPECT_EQ(summary.at("preemptions"), 4);
  EXPECT_EQ(summary.at("running_peak"), 6);
  EXPECT_GE(summary.at("readings").get<int>(), 3);
  Json series = watch.series();
  EXPECT_EQ(series.at("rows").front()[4], 0);
  EXPECT_EQ(series.at("rows").back()[4], 200);
  EXPECT_TRUE(series.at("rows").back()[3].is_null()) << "not told";
  Json window = series_window(series, 0, 1e9);
  EXPECT_EQ(window.at("generation_tokens"), 200);
  EXPECT_EQ(window.at("running").at("peak"), 6);
  EXPECT_TRUE(series_window(series, 1e8, 1e9).is_null());
}

TEST(ServerWatch, NoServerIsNoFailure) {
  ServerWatch none({}), closed({"http://127.0.0.1:1/metrics"});
  for (ServerWatch* watch : {&none, &closed}) {
    watch->start(std::chrono::milliseconds(100));
    watch->stop();
    EXPECT_TRUE(watch->series().is_null());
    EXPECT_TRUE(watch->summary().is_null());
  }
}

}  // namespace
}  // namespace qeval
