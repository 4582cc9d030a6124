#include "test_server/test_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <queue>
#include <random>
#include <thread>
#include <unordered_map>

namespace qeval::testing {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

uint64_t hash_of(const std::string& text) {
  uint64_t h = 1469598103934665603ull;
  for (unsigned char c : text) h = (h ^ c) * 1099511628211ull;
  return h;
}

std::string chunk(const std::string& data) { return fmt::format("{:x}\r\n{}\r\n", data.size(), data); }
std::string event(const std::string& json) { return "data: " + json + "\n\n"; }

std::string simple(int status, const std::string& body, const std::string& headers = "", const std::string& type = "application/json") {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status, type, body.size(), headers, body);
}

Clock::duration seconds(double s) { return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s)); }

// One question on its way out.
struct Answer {
  bool stream = false, chat = false, running = false;
  std::string id, fault;
  std::vector<std::string> words;
  size_t next = 0;
  int n_prompt = 0;
  std::string finish = "stop";
};

struct Connection {
  int fd = -1;
  uint64_t id = 0;
  std::string in, out;
  size_t out_at = 0;
  bool wants_out = false, close_after = false;
  std::unique_ptr<Answer> answer;
};

}  // namespace

class TestServer::Loop {
 public:
  explicit Loop(const TestServerOptions& options) : options_(options), random_(options.seed) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    add(wake_, 0);
    port_ = options.port;
    listen_again();
    thread_ = std::thread([this] { run(); });
  }
  ~Loop() {
    stop_ = true;
    uint64_t one = 1;
    [[maybe_unused]] auto n = write(wake_, &one, sizeof one);
    thread_.join();
    for (auto& [id, c] : connections_) close(c->fd);
    for (int fd : {listener_, epoll_, wake_})
      if (fd >= 0) close(fd);
  }
  int port() const { return port_; }
  TestServerCounts counts() const {
    std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  struct Due {
    Clock::time_point at;
    uint64_t connection;
    bool operator>(const Due& other) const { return at > other.at; }
  };

  void add(int fd, uint64_t id) {
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.u64 = id;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
  }

  void listen_again() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port_));
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 4096) != 0) {
      port_ = 0;
      return;
    }
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    add(listener_, 1);
  }

  void run() {
    epoll_event events[512];
    while (!stop_) {
      int wait_ms = 200;
      if (!due_.empty()) wait_ms = std::clamp<int>(static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(due_.top().at - Clock::now()).count()), 0, 200);
      if (down_) wait_ms = std::min(wait_ms, 10);
      const int n = epoll_wait(epoll_, events, 512, wait_ms);
      for (int i = 0; i < n; ++i) {
        const uint64_t id = events[i].data.u64;
        if (id == 0) continue;
        if (id == 1) accept_all();
        else if (auto found = connections_.find(id); found != connections_.end()) {
          if (events[i].events & EPOLLOUT) flush(*found->second);
          if (connections_.count(id) && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) read_from(*found->second);
        }
      }
      const auto now = Clock::now();
      while (!due_.empty() && due_.top().at <= now) {
        const uint64_t id = due_.top().connection;
        due_.pop();
        if (auto found = connections_.find(id); found != connections_.end() && found->second->answer) advance(*found->second);
      }
      if (down_ && now >= up_at_) {
        down_ = false;
        listen_again();
      }
    }
  }

  void accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto c = std::make_unique<Connection>();
      c->fd = fd;
      c->id = next_id_++;
      add(fd, c->id);
      connections_[c->id] = std::move(c);
    }
  }

  void drop(Connection& c) {
    if (c.answer && c.answer->running) leave();
    close(c.fd);
    connections_.erase(c.id);
  }

  void read_from(Connection& c) {
    char buffer[65536];
    const uint64_t id = c.id;
    while (true) {
      const ssize_t n = recv(c.fd, buffer, sizeof buffer, 0);
      if (n > 0) {
        c.in.append(buffer, static_cast<size_t>(n));
        if (static_cast<size_t>(n) < sizeof buffer) break;
        continue;
      }
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      return drop(c);
    }
    while (!c.answer && !c.close_after) {
      const size_t head = c.in.find("\r\n\r\n");
      if (head == std::string::npos) return;
      size_t length = 0;
      std::string lower = c.in.substr(0, head);
      for (char& ch : lower) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
      if (size_t at = lower.find("content-length:"); at != std::string::npos) length = std::strtoul(lower.c_str() + at + 15, nullptr, 10);
      if (c.in.size() < head + 4 + length) return;
      const std::string first = c.in.substr(0, c.in.find("\r\n"));
      const std::string headers = c.in.substr(0, head + 2), body = c.in.substr(head + 4, length);
      c.in.erase(0, head + 4 + length);
      handle(c, first, headers, body);
      if (!connections_.count(id)) return;
    }
  }

  void send(Connection& c, const std::string& bytes) {
    c.out += bytes;
    flush(c);
  }

  void flush(Connection& c) {
    while (c.out_at < c.out.size()) {
      const ssize_t n = ::send(c.fd, c.out.data() + c.out_at, c.out.size() - c.out_at, MSG_NOSIGNAL);
      if (n <= 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) c.close_after = true, c.out_at = c.out.size();
        break;
      }
      c.out_at += static_cast<size_t>(n);
    }
    const bool wants = c.out_at < c.out.size();
    if (!wants) {
      c.out.clear();
      c.out_at = 0;
    }
    if (wants != c.wants_out) {
      epoll_event e{};
      e.events = static_cast<uint32_t>(EPOLLIN) | (wants ? static_cast<uint32_t>(EPOLLOUT) : 0u);
      e.data.u64 = c.id;
      epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &e);
      c.wants_out = wants;
    }
    if (!wants && c.close_after) drop(c);
  }

  void end_with(Connection& c, const std::string& bytes) {  // and close
    c.close_after = true;
    send(c, bytes);
  }

  std::string pick_fault() {
    if (burst_left_ > 0) {
      --burst_left_;
      return "burst_500";
    }
    double x = std::uniform_real_distribution<double>(0, 1)(random_);
    for (const auto& [name, p] : options_.faults) {
      if (x < p) return name;
      x -= p;
    }
    return "";
  }

  void handle(Connection& c, const std::string& first, const std::string& headers, const std::string& body) {
    if (!options_.api_key.empty() && headers.find("Authorization: Bearer " + options_.api_key + "\r\n") == std::string::npos)
      return send(c, simple(401, R"({"error":{"message":"invalid key","type":"authentication_error"}})"));
    if (first.starts_with("GET /v1/models"))
      return send(c, simple(200, Json{{"data", {{{"id", options_.model}, {"owned_by", "vllm"}, {"max_model_len", 8192}}}}}.dump()));
    if (first.starts_with("GET /version")) return send(c, simple(200, R"({"version":"0.0-test"})"));
    if (first.starts_with("GET /metrics")) return send(c, simple(200, metrics(), "", "text/plain"));
    Json json = Json::parse(body, nullptr, false);
    if (first.starts_with("POST /tokenize") && options_.likelihoods) return send(c, simple(200, tokenize(json)));
    const bool chat = first.starts_with("POST /v1/chat/completions");
    if (!(chat || first.starts_with("POST /v1/completions")) || !json.is_object())
      return send(c, simple(404, R"({"error":{"message":"no such path","code":404}})"));
    if (json.value("model", "") != options_.model)
      return send(c, simple(404, R"({"error":{"message":"The model does not exist","type":"NotFoundError","code":404}})"));
    answer(c, json, chat);
  }

  std::string tokenize(const Json& json) {
    Json tokens = Json::array();
    for (unsigned char byte : json.value("prompt", "")) tokens.push_back(byte);
    return Json{{"tokens", tokens}, {"count", tokens.size()}}.dump();
  }

  std::string metrics() {
    return fmt::format("vllm:num_requests_running{{m=\"a\"}} {}.0\nvllm:num_requests_waiting{{m=\"a\"}} {}.0\n", n_running_, waiting_.size());
  }

  void answer(Connection& c, const Json& json, bool chat) {
    {
      std::lock_guard lock(mutex_);
      ++counts_.n_questions;
    }
    std::string prompt;
    if (chat && json.contains("messages") && !json["messages"].empty()) prompt = json["messages"].back().value("content", "");
    else if (json.contains("prompt") && json["prompt"].is_string()) prompt = json["prompt"].get<std::string>();
    if (prompt.size() > 8192)
      return send(c, simple(400, R"({"error":{"message":"This model's maximum context length is 8192 tokens","type":"BadRequestError","code":400}})"));
    if (json.value("echo", false)) return send(c, simple(200, echo(json)));
    auto a = std::make_unique<Answer>();
    a->chat = chat;
    a->stream = json.value("stream", false);
    a->n_prompt = static_cast<int>(prompt.size());
    const int limit = json.value("max_tokens", 16);
    const int n = std::min(options_.n_tokens, limit);
    if (n < options_.n_tokens) a->finish = "length";
    std::string text = answer_of(prompt, n);
    for (size_t at = 0; at < text.size();) {
      size_t end = text.find(' ', at + 1);
      if (end == std::string::npos) end = text.size();
      a->words.push_back(text.substr(at, end - at));
      at = end;
    }
    a->fault = pick_fault();
    if (!a->fault.empty()) {
      std::lock_guard lock(mutex_);
      ++counts_.faults[a->fault];
    }
    if (fail_at_once(c, *a)) return;
    c.answer = std::move(a);
    if (options_.max_running > 0 && n_running_ >= options_.max_running) {
      waiting_.push_back(c.id);
      return;
    }
    ++n_running_;
    start(c);
  }

  // A place becomes free.
  void leave() {
    --n_running_;
    while (!waiting_.empty()) {
      const uint64_t id = waiting_.front();
      waiting_.pop_front();
      if (auto found = connections_.find(id); found != connections_.end() && found->second->answer) {
        ++n_running_;
        start(*found->second);
        return;
      }
    }
  }

  void start(Connection& c) {
    c.answer->running = true;
    const double wait_s = options_.first_token_s + (c.answer->fault == "slow_first_byte" ? options_.slow_s : 0);
    if (c.answer->stream && c.answer->fault != "slow_first_byte") send_head(c);
    if (wait_s <= 0) return advance(c);
    due_.push({Clock::now() + seconds(wait_s), c.id});
    flush(c);
  }

  void send_head(Connection& c) {
    std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    if (c.answer->chat) head += chunk(event(R"({"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})"));
    c.out += head;
  }

  bool fail_at_once(Connection& c, const Answer& a) {
    const std::string& f = a.fault;
    if (f == "rate_limit") send(c, simple(429, R"({"error":{"message":"slow down","code":429}})"));
    else if (f == "rate_limit_after") send(c, simple(429, R"({"error":{"message":"slow down","code":429}})", "Retry-After: 1\r\n"));
    else if (f == "burst_500") {
      if (burst_left_ == 0 && std::uniform_int_distribution<int>(0, 3)(random_) == 0) burst_left_ = 5;
      send(c, simple(500, "oh no", "", "text/plain"));
    } else if (f == "wrong_type") send(c, simple(200, "<html><body>It works!</body></html>", "", "text/html"));
    else if (f == "empty_choices") send(c, simple(200, R"({"object":"chat.completion","choices":[]})"));
    else if (f == "huge") end_with(c, simple(200, "data: " + std::string(size_t{24} << 20, 'x'), "", "text/event-stream"));
    else if (f == "restart") {
      drop(c);
      restart();
    } else return false;
    return true;
  }

  void restart() {
    for (auto& [id, c] : connections_) close(c->fd);
    connections_.clear();
    waiting_.clear();
    n_running_ = 0;
    close(listener_);
    listener_ = -1;
    down_ = true;
    up_at_ = Clock::now() + seconds(options_.down_s);
  }

  // The next token of an answer, and all that are due with it.
  void advance(Connection& c) {
    Answer& a = *c.answer;
    if (!a.stream) return whole(c);
    if (a.fault == "slow_first_byte" && a.next == 0) send_head(c);
    const uint64_t id = c.id;
    do {
      const size_t half = a.words.size() / 2;
      if (a.next == half && !a.fault.empty() && !break_off(c)) return;
      if (a.next >= a.words.size()) return finish(c);
      c.out += chunk(event(piece(a)));
      ++a.next;
    } while (options_.token_interval_s <= 0);
    due_.push({Clock::now() + seconds(options_.token_interval_s), id});
    flush(c);
  }

  std::string piece(const Answer& a) {
    const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
    const std::string stamp = options_.stamps ? fmt::format(" {}", now_ns) : "";
    const std::string& word = options_.stamps ? stamp : a.words[a.next];
    if (a.chat) return fmt::format(R"({{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"{}","t":{},"choices":[{{"index":0,"delta":{{"content":"{}"}},"logprobs":null,"finish_reason":null}}]}})", options_.model, now_ns, word);
    return fmt::format(R"({{"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"{}","t":{},"choices":[{{"index":0,"text":"{}","logprobs":null,"finish_reason":null}}]}})", options_.model, now_ns, word);
  }

  // In the middle of an answer. True: go on with it.
  bool break_off(Connection& c) {
    Answer& a = *c.answer;
    if (a.fault == "duplicate") {
      c.out += chunk(event(piece(a))) + chunk(event(piece(a)));
      a.fault = "duplicate_done";
      return true;
    }
    if (a.fault == "malformed") c.out += chunk("data: {\"choices\":[{\"delta\":{\"cont\n\n"), c.close_after = true;
    else if (a.fault == "half") c.out += chunk("data: {\"choices\":[{\"index\":0,\"de") + "0\r\n\r\n", c.close_after = true;
    else if (a.fault == "cut") c.close_after = true;
    else if (a.fault != "stall") return true;
    flush(c);  // a stall stays open and silent
    return false;
  }

  std::string usage(const Answer& a) {
    auto n = static_cast<int64_t>(a.words.size());
    if (a.fault == "wrong_counts") n = std::uniform_int_distribution<int>(0, 1)(random_) ? -7 : 1'000'000;
    return Json{{"prompt_tokens", a.n_prompt}, {"completion_tokens", n}, {"total_tokens", a.n_prompt + n}}.dump();
  }

  void finish(Connection& c) {
    Answer& a = *c.answer;
    const char* inner = a.chat ? R"("delta":{})" : R"("text":"")";
    c.out += chunk(event(fmt::format(R"({{"choices":[{{"index":0,{},"finish_reason":"{}"}}]}})", inner, a.finish)));
    c.out += chunk(event(fmt::format(R"({{"choices":[],"usage":{}}})", usage(a))));
    c.out += chunk(event("[DONE]")) + "0\r\n\r\n";
    done(c);
  }

  void whole(Connection& c) {
    Answer& a = *c.answer;
    std::string text;
    for (const std::string& word : a.words) text += word;
    Json choice = {{"index", 0}, {"finish_reason", a.finish}};
    if (a.chat) choice["message"] = {{"role", "assistant"}, {"content", text}};
    else choice["text"] = text;
    Json body = {{"object", "completion"}, {"choices", {choice}}, {"usage", Json::parse(usage(a))}};
    c.out += simple(200, body.dump());
    done(c);
  }

  void done(Connection& c) {
    {
      std::lock_guard lock(mutex_);
      if (c.answer->fault.empty() || c.answer->fault == "slow_first_byte") {
        ++counts_.n_answered;
        counts_.n_prompt_tokens += c.answer->n_prompt;
        counts_.n_new_tokens += static_cast<int64_t>(c.answer->words.size());
      }
    }
    c.answer.reset();
    leave();
    const uint64_t id = c.id;
    flush(c);
    // A question that came meanwhile waits in the buffer.
    if (auto found = connections_.find(id); found != connections_.end() && !found->second->in.empty()) read_from(*found->second);
  }

  std::string echo(const Json& json) {
    Json tokens = Json::array(), values = Json::array(), tops = Json::array();
    int previous = -1;
    for (const Json& token : json["prompt"]) {
      const int id = token.get<int>();
      tokens.push_back(fmt::format("token_id:{}", id));
      if (previous < 0) {
        values.push_back(nullptr);
        tops.push_back(nullptr);
      } else {
        const double p = logprob_of(previous, id);
        values.push_back(p);
        tops.push_back({{fmt::format("token_id:{}", id), p}, {"token_id:0", -1.0}});
      }
      previous = id;
    }
    Json logprobs = {{"tokens", tokens}, {"token_logprobs", values}, {"top_logprobs", tops}};
    return Json{{"choices", {{{"index", 0}, {"text", ""}, {"logprobs", logprobs}, {"finish_reason", "length"}}}}}.dump();
  }

  TestServerOptions options_;
  std::mt19937_64 random_;
  int epoll_ = -1, wake_ = -1, listener_ = -1;
  std::atomic<int> port_{0};
  std::atomic<bool> stop_{false};
  bool down_ = false;
  Clock::time_point up_at_{};
  uint64_t next_id_ = 2;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::deque<uint64_t> waiting_;
  int n_running_ = 0, burst_left_ = 0;
  mutable std::mutex mutex_;
  TestServerCounts counts_;
  std::thread thread_;
};

TestServer::TestServer(const TestServerOptions& options) : loop_(std::make_unique<Loop>(options)) {}
TestServer::~TestServer() = default;
int TestServer::port() const { return loop_->port(); }
std::string TestServer::url() const { return fmt::format("http://127.0.0.1:{}", port()); }
TestServerCounts TestServer::counts() const { return loop_->counts(); }

std::string TestServer::answer_of(const std::string& prompt, int n_tokens) {
  std::string out;
  uint64_t h = hash_of(prompt);
  for (int i = 0; i < n_tokens; ++i) {
    h = h * 6364136223846793005ull + 1442695040888963407ull;
    out += fmt::format("{}w{}", i == 0 ? "" : " ", (h >> 33) % 100000);
  }
  return out;
}

double TestServer::logprob_of(int previous, int token) { return -0.5 - static_cast<double>((previous * 31 + token * 17) % 64) / 16.0; }

}  // namespace qeval::testing
