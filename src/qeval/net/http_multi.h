#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

struct HttpCall {
  std::string url;   // http or https; redirects are not followed
  std::string body;  // POSTed; "" = GET
};

enum class HttpFault {
  none,          // an answer came to its end, whatever its status
  not_reached,   // no connection: refused, unknown host, TLS
  cut,           // the connection ended before the answer did
  stopped,       // HttpSink::on_data returned false
  bad_protocol,  // the answer is not HTTP
};

struct HttpEnd {
  HttpFault fault = HttpFault::none;
  std::string message;  // for people; names no key
  long status = 0;      // 0: no answer began
  std::string content_type;
  double retry_after_s = -1;  // Retry-After, seconds or date; -1 = absent
};

// Takes one answer. Called inside HttpMulti::poll() on its thread. on_data must not start or abort transfers.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  virtual bool on_data(long status, std::string_view bytes) = 0;  // false: end this transfer
  virtual void on_end(const HttpEnd& end) = 0;                    // last call; may start transfers
};

struct HttpMultiOptions {
  std::vector<std::string> headers;  // "Name: value", sent with every call; line breaks are an error
  std::chrono::milliseconds connect_timeout{10000};
  long max_idle_connections = 1024;  // kept open for the next call
};

// Many transfers on one thread: libcurl's multi interface over epoll, keep-alive, HTTP/2 where TLS offers it. All calls
// from one thread, but for wake(). HTTP_PROXY and friends are honoured, never for loopback addresses.
class HttpMulti {
 public:
  static Result<std::unique_ptr<HttpMulti>> create(const HttpMultiOptions& options);
  ~HttpMulti();  // drops what runs, without callbacks
  HttpMulti(const HttpMulti&) = delete;
  HttpMulti& operator=(const HttpMulti&) = delete;

  // `sink` must live until its on_end or abort; one transfer per sink at a time.
  Status start(HttpCall call, HttpSink* sink);
  void abort(HttpSink* sink);  // no further callback; nothing if it has none running
  size_t n_running() const;
  // Waits up to `timeout` for something to happen and handles it.
  void poll(std::chrono::milliseconds timeout);
  void wake();  // ends a poll() at once; any thread

 private:
  struct State;
  HttpMulti();
  std::unique_ptr<State> state_;
};

}  // namespace qeval
