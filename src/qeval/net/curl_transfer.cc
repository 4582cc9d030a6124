#include "qeval/net/curl_transfer.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "qeval/util/ascii.h"

namespace qeval {
namespace {

constexpr size_t kMaxHeaders = 500;

struct Easy {
  CURL* handle = nullptr;
  curl_slist* headers = nullptr;
  ~Easy() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(handle);
  }
};

struct State {
  const CurlTransfer* transfer = nullptr;
  CurlOutcome* outcome = nullptr;
  CURL* handle = nullptr;
  bool started = false, interrupted = false, too_large = false;
  int64_t base = 0;  // bytes that lie before this transfer's
  int64_t received = 0;
  std::chrono::steady_clock::time_point last_report{};
};

size_t on_header(char* data, size_t, size_t n, void* user) {
  auto& state = *static_cast<State*>(user);
  std::string_view line(data, n);
  auto& headers = state.outcome->response.headers;
  state.outcome->connected = true;
  if (line.starts_with("HTTP/")) headers.clear();  // a further answer of the chain
  size_t colon = line.find(':');
  if (colon == std::string_view::npos || headers.size() >= kMaxHeaders) return n;
  headers[lower_ascii(line.substr(0, colon))] = trim_ascii(line.substr(colon + 1));
  return n;
}

bool start(State& state) {
  state.started = true;
  curl_easy_getinfo(state.handle, CURLINFO_RESPONSE_CODE, &state.outcome->response.status);
  state.base = state.outcome->response.status == 206 ? state.transfer->resume_from : 0;
  if (!state.transfer->on_start || state.transfer->on_start(state.outcome->response)) return true;
  state.outcome->stopped = true;
  return false;
}

size_t on_body(char* data, size_t, size_t n, void* user) {
  auto& state = *static_cast<State*>(user);
  if (!state.started && !start(state)) return 0;
  state.received += static_cast<int64_t>(n);
  if (state.received + state.base > state.transfer->request->max_bytes) {
    state.too_large = true;
    return 0;
  }
  if (state.transfer->on_body(std::string_view(data, n))) return n;
  state.outcome->stopped = true;
  return 0;
}

int on_progress(void* user, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
  auto& state = *static_cast<State*>(user);
  auto now = std::chrono::steady_clock::now();
  if (now - state.last_report < std::chrono::milliseconds(100)) return 0;
  state.last_report = now;
  state.interrupted =
      !state.transfer->request->progress(state.base + state.received, total > 0 ? state.base + total : -1);
  return state.interrupted ? 1 : 0;
}

void set_protocols(CURL* handle, const std::string& url) {
  bool secure = url.starts_with("https:");
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS,
                   static_cast<long>(secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

bool holds_line_break(const std::string& text) { return text.find_first_of("\r\n") != std::string::npos; }

Status set_headers(Easy& easy, const HttpRequest& request) {
  auto add = [&](const std::string& line) {
    if (holds_line_break(line)) return false;
    easy.headers = curl_slist_append(easy.headers, line.c_str());
    return true;
  };
  for (const auto& [name, value] : request.headers)
    if (!add(name + ": " + value)) return bad_input(fmt::format("header {}: holds a line break", name.substr(0, 40)));
  // libcurl keeps an Authorization header to the first host, port and scheme (CURLOPT_UNRESTRICTED_AUTH is off).
  if (!request.bearer_token.empty() && !add("Authorization: Bearer " + request.bearer_token))
    return bad_input("the access token holds a line break");
  if (!request.post_body.empty() && (!add("Content-Type: application/json") || !add("Expect:"))) return {};
  curl_easy_setopt(easy.handle, CURLOPT_HTTPHEADER, easy.headers);
  return {};
}

void set_options(CURL* handle, const CurlTransfer& transfer, State& state, char* error_text) {
  const HttpRequest& request = *transfer.request;
  set_protocols(handle, request.url);
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "qeval");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.connect_timeout_s));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout_s));
  curl_easy_setopt(handle, CURLOPT_NOBODY, request.head ? 1L : 0L);
  if (!request.post_body.empty()) {
    curl_easy_setopt(handle, CURLOPT_POST, 1L);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.post_body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.post_body.size()));
  }
  if (loopback_url(request.url)) curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_text);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &state);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &state);
  if (transfer.resume_from > 0)
    curl_easy_setopt(handle, CURLOPT_RANGE, fmt::format("{}-", transfer.resume_from).c_str());
  if (!request.progress) return;
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &state);
}

Error curl_error(CURLcode code, const char* detail, const HttpRequest& request) {
  std::string url = redacted_url(request.url);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorKind::bad_input, fmt::format("{}: not an http or https address", url)};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {ErrorKind::unavailable, fmt::format("{}: the host's name cannot be resolved", url)};
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorKind::unavailable, fmt::format("{}: no answer in time (connection {} s, silence {} s)", url,
                                                  request.connect_timeout_s, request.stall_timeout_s)};
    default: {
      // libcurl's detail may quote a redirect's address, whose query can carry a signature.
      std::string text = curl_easy_strerror(code);
      if (*detail && std::string_view(detail).find("://") == std::string_view::npos) text = detail;
      return {ErrorKind::unavailable, fmt::format("{}: {}", url, text)};
    }
  }
}

}  // namespace

Status curl_perform(const CurlTransfer& transfer, CurlOutcome& outcome) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  outcome = {};
  Easy easy{curl_easy_init()};
  if (!easy.handle) return fail(ErrorKind::environment, "libcurl could not start");
  char error_text[CURL_ERROR_SIZE] = "";
  State state{&transfer, &outcome, easy.handle};
  set_options(easy.handle, transfer, state, error_text);
  QEVAL_CHECK(set_headers(easy, *transfer.request));
  CURLcode code = curl_easy_perform(easy.handle);
  curl_easy_getinfo(easy.handle, CURLINFO_RESPONSE_CODE, &outcome.response.status);
  char* url = nullptr;
  curl_easy_getinfo(easy.handle, CURLINFO_EFFECTIVE_URL, &url);
  outcome.response.url = url ? url : transfer.request->url;
  if (state.interrupted)
    return fail(ErrorKind::interrupted, fmt::format("{}: stopped", redacted_url(transfer.request->url)));
  if (state.too_large)
    return bad_input(
        fmt::format("{}: larger than {} bytes", redacted_url(transfer.request->url), transfer.request->max_bytes));
  if (outcome.stopped) return {};
  if (code != CURLE_OK) return fail(curl_error(code, error_text, *transfer.request));
  if (!state.started && !start(state)) return {};
  return {};
}

bool back_off(int n, const HttpProgress& progress) {
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(250 << std::min(n, 5));
  while (std::chrono::steady_clock::now() < until) {
    if (progress && !progress(0, -1)) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

}  // namespace qeval
