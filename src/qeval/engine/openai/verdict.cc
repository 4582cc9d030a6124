#include "qeval/engine/openai/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/util/ascii.h"

namespace qeval {
namespace {

constexpr size_t kMaxQuoted = 300;

// The ways in which servers say that prompt and answer do not fit.
bool says_too_long(const ServerError& error) {
  if (error.type == "exceed_context_size_error" || error.code == "context_length_exceeded") return true;
  const std::string text = lower_ascii(error.message);
  for (const char* phrase : {"maximum context length", "max_model_len", "context size", "context length", "longer than the maximum model length",
                             "exceeds the available context", "max_tokens is too large", "is too long"})
    if (text.find(phrase) != std::string::npos) return true;
  return false;
}

bool says_no_model(const ServerError& error) {
  const std::string text = lower_ascii(error.message);
  return error.code == "model_not_found" || (text.find("model") != std::string::npos && text.find("not exist") != std::string::npos) ||
         (text.find("model") != std::string::npos && text.find("not found") != std::string::npos);
}

std::string quoted(const ServerError& error) {
  return error.message.empty() ? "no reason given" : error.message.substr(0, kMaxQuoted);
}

}  // namespace

Verdict judge_error(const ServerError& error, int status) {
  if (status == 401 || status == 403)
    return {Action::stop, EngineFailure::engine_error,
            fmt::format("access denied ({}): {}; set OPENAI_API_KEY (or QEVAL_API_KEY) to a key that the server accepts", status, quoted(error))};
  if (status == 404 || says_no_model(error))
    return {Action::stop, EngineFailure::engine_error,
            fmt::format("{} ({}): check --model and --base-url", quoted(error), status)};
  if (status == 429) return {Action::push_back, EngineFailure::rate_limited, "the server asks for fewer requests (429): " + quoted(error)};
  if (status == 503) return {Action::push_back, EngineFailure::rate_limited, "the server has no room (503): " + quoted(error)};
  if (says_too_long(error)) return {Action::refuse, EngineFailure::context_too_long, quoted(error)};
  if (status == 408 || status == 409 || status == 425 || status >= 500 || status < 400)
    return {Action::retry, EngineFailure::engine_error, fmt::format("the server failed ({}): {}", status, quoted(error))};
  return {Action::refuse, EngineFailure::unsupported, fmt::format("the server refuses this request ({}): {}", status, quoted(error))};
}

Verdict judge_http(const HttpEnd& end, std::string_view body) {
  if (end.fault == HttpFault::not_reached) return {Action::elsewhere, EngineFailure::connection, end.message};
  if (end.fault == HttpFault::bad_protocol) return {Action::retry, EngineFailure::bad_reply, end.message};
  if (end.fault == HttpFault::cut && (end.status == 0 || end.status / 100 == 2))
    return {Action::retry, EngineFailure::connection, end.message};
  if (end.status / 100 == 3)
    return {Action::stop, EngineFailure::engine_error, fmt::format("the server redirects ({}): give its final address as --base-url", end.status)};
  ServerError error;
  if (auto json = parse_json(body, 32)) {
    if (auto found = server_error_of(*json)) error = std::move(*found);
  } else {
    error.message = std::string(body.substr(0, kMaxQuoted));
  }
  Verdict verdict = judge_error(error, static_cast<int>(end.status));
  verdict.wait_s = end.retry_after_s;
  return verdict;
}

double back_off_s(int n, double jitter) { return std::min(20.0, 0.25 * std::pow(2.0, std::clamp(n - 1, 0, 10))) * jitter; }

}  // namespace qeval
