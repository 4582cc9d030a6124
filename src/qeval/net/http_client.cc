#include "qeval/net/http_client.h"

#include <fmt/format.h>

#include "qeval/net/curl_transfer.h"

namespace qeval {
namespace {

bool busy(long status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

const std::string& HttpResponse::header(const std::string& lower_case_name) const {
  static const std::string none;
  auto it = headers.find(lower_case_name);
  return it == headers.end() ? none : it->second;
}

std::string redacted_url(const std::string& url) {
  std::string out = url.substr(0, url.find_first_of("?#"));
  size_t host = out.find("://");
  if (host == std::string::npos) return out;
  host += 3;
  size_t at = out.rfind('@', out.find('/', host));
  if (at != std::string::npos && at >= host) out.erase(host, at + 1 - host);
  return out;
}

bool loopback_url(const std::string& url) {
  size_t host = url.find("://");
  host = host == std::string::npos ? 0 : host + 3;
  const std::string authority = url.substr(host, url.find_first_of("/?#", host) - host);
  const std::string name = authority.substr(authority.rfind('@') + 1);
  return name.starts_with("127.") || name.starts_with("[::1]") || name == "localhost" || name.starts_with("localhost:");
}

std::string url_escape(const std::string& text) {
  std::string out;
  for (unsigned char c : text) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
                 c == '_' || c == '~';
    if (plain)
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

Error http_status_error(long status, const std::string& url) {
  std::string where = redacted_url(url);
  if (status == 404 || status == 410) return {ErrorKind::not_found, fmt::format("{}: not found ({})", where, status)};
  if (status == 401 || status == 403)
    return {ErrorKind::bad_input,
            fmt::format("{}: access denied ({}): the address is wrong, or it needs an access token with permission",
                        where, status)};
  if (busy(status))
    return {ErrorKind::unavailable, fmt::format("{}: the server is busy or broken ({})", where, status)};
  return {ErrorKind::bad_input, fmt::format("{}: unexpected answer {}", where, status)};
}

Result<HttpResponse> http_send(const HttpRequest& request) {
  for (int attempt = 0;; ++attempt) {
    CurlOutcome outcome;
    std::string body;
    CurlTransfer transfer{&request, 0, nullptr, [&](std::string_view bytes) {
                            body.append(bytes);
                            return true;
                          }};
    Status status = curl_perform(transfer, outcome);
    outcome.response.body = std::move(body);
    bool again =
        status ? busy(outcome.response.status) : status.error().kind == ErrorKind::unavailable && outcome.connected;
    if (again && attempt < request.retries) {
      if (!back_off(attempt, request.progress))
        return fail(ErrorKind::interrupted, redacted_url(request.url) + ": stopped");
      continue;
    }
    if (!status) return fail(status.error());
    return std::move(outcome.response);
  }
}

Result<std::string> http_get(const HttpRequest& request) {
  QEVAL_TRY(HttpResponse response, http_send(request));
  if (response.status < 200 || response.status > 299) return fail(http_status_error(response.status, request.url));
  return std::move(response.body);
}

}  // namespace qeval
