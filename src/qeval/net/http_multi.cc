#include "qeval/net/http_multi.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "qeval/net/http_client.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

constexpr int kMaxEvents = 256;
constexpr long kHandleBuffer = 64 * 1024;

struct Transfer {
  CURL* handle = nullptr;
  HttpSink* sink = nullptr;
  std::string url, body;
  bool stopped = false;
  long status = 0;
};

size_t on_chunk(char* data, size_t, size_t n, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.status == 0) curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &transfer.status);
  if (transfer.sink->on_data(transfer.status, std::string_view(data, n))) return n;
  transfer.stopped = true;
  return 0;
}

HttpFault fault_of(CURLcode code) {
  switch (code) {
    case CURLE_OK: return HttpFault::none;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:  // only the connection has a time limit here
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return HttpFault::not_reached;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: return HttpFault::bad_protocol;
    default: return HttpFault::cut;
  }
}

}  // namespace

struct HttpMulti::State {
  CURLM* multi = nullptr;
  curl_slist* headers = nullptr;
  int epoll_fd = -1, wake_fd = -1;
  HttpMultiOptions options;
  std::vector<CURL*> idle;
  std::unordered_map<HttpSink*, std::unique_ptr<Transfer>> running;
  SteadyClock::time_point timer_due{};
  bool timer_set = false;

  ~State();
  CURL* handle();
  void finish(CURL* handle, CURLcode code);
  void read_ends();
  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void* known);
  static int on_timer(CURLM*, long timeout_ms, void* user);
};

HttpMulti::State::~State() {
  for (auto& [sink, transfer] : running) {
    curl_multi_remove_handle(multi, transfer->handle);
    curl_easy_cleanup(transfer->handle);
  }
  for (CURL* easy : idle) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  if (epoll_fd >= 0) close(epoll_fd);
  if (wake_fd >= 0) close(wake_fd);
}

int HttpMulti::State::on_socket(CURL*, curl_socket_t fd, int what, void* user, void* known) {
  auto& state = *static_cast<State*>(user);
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(state.epoll_fd, EPOLL_CTL_DEL, fd, nullptr);
    return 0;
  }
  epoll_event event{};
  event.data.fd = fd;
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  if (epoll_ctl(state.epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
    epoll_ctl(state.epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
  if (!known) curl_multi_assign(state.multi, fd, &state);
  return 0;
}

int HttpMulti::State::on_timer(CURLM*, long timeout_ms, void* user) {
  auto& state = *static_cast<State*>(user);
  state.timer_set = timeout_ms >= 0;
  if (state.timer_set) state.timer_due = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  return 0;
}

// A used handle keeps its options: only URL, body and owner change from call to call.
CURL* HttpMulti::State::handle() {
  if (!idle.empty()) {
    CURL* out = idle.back();
    idle.pop_back();
    return out;
  }
  CURL* out = curl_easy_init();
  if (!out) return nullptr;
  curl_easy_setopt(out, CURLOPT_USERAGENT, "qeval");
  curl_easy_setopt(out, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(out, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(out, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(out, CURLOPT_BUFFERSIZE, kHandleBuffer);
  curl_easy_setopt(out, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(out, CURLOPT_WRITEFUNCTION, on_chunk);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(out, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(out, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  return out;
}

void HttpMulti::State::finish(CURL* easy, CURLcode code) {
  Transfer* transfer = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
  HttpEnd end;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &end.status);
  char* type = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
  if (type) end.content_type = type;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
  if (retry_after > 0) end.retry_after_s = static_cast<double>(retry_after);
  end.fault = transfer->stopped ? HttpFault::stopped : fault_of(code);
  if (end.fault == HttpFault::not_reached && end.status != 0) end.fault = HttpFault::cut;
  if (code != CURLE_OK) end.message = fmt::format("{}: {}", redacted_url(transfer->url), curl_easy_strerror(code));
  curl_multi_remove_handle(multi, easy);
  auto found = running.find(transfer->sink);
  std::unique_ptr<Transfer> owned = std::move(found->second);
  running.erase(found);
  idle.push_back(easy);
  owned->sink->on_end(end);
}

void HttpMulti::State::read_ends() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left))
    if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
}

HttpMulti::HttpMulti() : state_(std::make_unique<State>()) {}
HttpMulti::~HttpMulti() = default;

Result<std::unique_ptr<HttpMulti>> HttpMulti::create(const HttpMultiOptions& options) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  std::unique_ptr<HttpMulti> out(new HttpMulti);
  State& state = *out->state_;
  state.options = options;
  state.multi = curl_multi_init();
  state.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  state.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!state.multi || state.epoll_fd < 0 || state.wake_fd < 0)
    return fail(ErrorKind::environment, "libcurl or epoll could not start");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = state.wake_fd;
  epoll_ctl(state.epoll_fd, EPOLL_CTL_ADD, state.wake_fd, &event);
  for (const std::string& line : options.headers) {
    if (line.find_first_of("\r\n") != std::string::npos)
      return bad_input(fmt::format("header {}: holds a line break", line.substr(0, line.find(':'))));
    state.headers = curl_slist_append(state.headers, line.c_str());
  }
  state.headers = curl_slist_append(state.headers, "Expect:");  // no pause before large bodies
  curl_multi_setopt(state.multi, CURLMOPT_SOCKETFUNCTION, State::on_socket);
  curl_multi_setopt(state.multi, CURLMOPT_SOCKETDATA, &state);
  curl_multi_setopt(state.multi, CURLMOPT_TIMERFUNCTION, State::on_timer);
  curl_multi_setopt(state.multi, CURLMOPT_TIMERDATA, &state);
  curl_multi_setopt(state.multi, CURLMOPT_MAXCONNECTS, options.max_idle_connections);
  return out;
}

Status HttpMulti::start(HttpCall call, HttpSink* sink) {
  State& state = *state_;
  if (state.running.count(sink)) return fail(ErrorKind::internal, "a transfer of this sink is running already");
  auto transfer = std::make_unique<Transfer>();
  transfer->handle = state.handle();
  if (!transfer->handle) return fail(ErrorKind::environment, "libcurl could not start a transfer");
  transfer->sink = sink;
  transfer->url = std::move(call.url);
  transfer->body = std::move(call.body);
  CURL* easy = transfer->handle;
  curl_easy_setopt(easy, CURLOPT_URL, transfer->url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, loopback_url(transfer->url) ? "" : nullptr);
  // Waiting whether a connection can be shared is right where TLS says so at once; in plain HTTP it would last until
  // the first answer has ended.
  const bool tls = transfer->url.starts_with("https:");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, tls ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer.get());
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  if (transfer->body.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(transfer->body.size()));
  }
  if (curl_multi_add_handle(state.multi, easy) != CURLM_OK) {
    state.idle.push_back(easy);
    return fail(ErrorKind::environment, "libcurl could not start a transfer");
  }
  state.running.emplace(sink, std::move(transfer));
  return {};
}

void HttpMulti::abort(HttpSink* sink) {
  auto found = state_->running.find(sink);
  if (found == state_->running.end()) return;
  curl_multi_remove_handle(state_->multi, found->second->handle);
  state_->idle.push_back(found->second->handle);
  state_->running.erase(found);
}

size_t HttpMulti::n_running() const { return state_->running.size(); }

void HttpMulti::poll(std::chrono::milliseconds timeout) {
  State& state = *state_;
  int wait_ms = static_cast<int>(std::max<int64_t>(0, timeout.count()));
  if (state.timer_set) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(state.timer_due - SteadyClock::now());
    wait_ms = std::min(wait_ms, static_cast<int>(std::max<int64_t>(0, left.count())));
  }
  epoll_event events[kMaxEvents];
  const int n = epoll_wait(state.epoll_fd, events, kMaxEvents, wait_ms);
  int n_running = 0;
  for (int i = 0; i < n; ++i) {
    if (events[i].data.fd == state.wake_fd) {
      uint64_t count = 0;
      [[maybe_unused]] ssize_t got = read(state.wake_fd, &count, sizeof count);
      continue;
    }
    int what = 0;
    if (events[i].events & EPOLLIN) what |= CURL_CSELECT_IN;
    if (events[i].events & EPOLLOUT) what |= CURL_CSELECT_OUT;
    if (events[i].events & (EPOLLERR | EPOLLHUP)) what |= CURL_CSELECT_ERR;
    curl_multi_socket_action(state.multi, events[i].data.fd, what, &n_running);
  }
  if (state.timer_set && SteadyClock::now() >= state.timer_due) {
    state.timer_set = false;
    curl_multi_socket_action(state.multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
  }
  state.read_ends();
}

void HttpMulti::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t put = write(state_->wake_fd, &one, sizeof one);
}

}  // namespace qeval
