#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// Called about ten times a second while a transfer runs; `total` is -1 where the server does not say. For resumed
// files `done` counts what was there before. Returning false ends the transfer with an error of kind interrupted.
using HttpProgress = std::function<bool(int64_t done, int64_t total)>;

struct HttpRequest {
  std::string url;  // http or https only
  std::vector<std::pair<std::string, std::string>> headers;
  std::string bearer_token;  // goes to the host of `url` alone, never across a redirect
  bool head = false;
  std::string post_body;                 // not empty: POSTed as application/json
  bool follow_redirects = true;          // never from https down to http
  int64_t max_bytes = int64_t{1} << 30;  // of the body; more is an error
  int connect_timeout_s = 10;            // per address: name look-up, TCP and TLS together
  int stall_timeout_s = 30;              // this long under one byte a second: given up
  int retries = 2;                       // after a busy answer or a cut transfer; never after a failed connect
  HttpProgress progress;                 // null: none
};

struct HttpResponse {
  long status = 0;
  std::map<std::string, std::string> headers;  // of the last answer; names in lower case
  std::string body;
  std::string url;                                                      // where the redirects ended
  const std::string& header(const std::string& lower_case_name) const;  // "" where absent
};

// Blocking; any thread. HTTP_PROXY, HTTPS_PROXY, NO_PROXY are honoured (libcurl). Any status is an answer here.
// Errors: unavailable (no connection, time-out, cut off), bad_input (not a URL, too large), interrupted.
// Messages name the URL without its query and credentials.
Result<HttpResponse> http_send(const HttpRequest& request);

// The body of a 2xx answer. Errors besides those of http_send: not_found (404, 410), bad_input (401, 403 and other
// 4xx), unavailable (408, 429, 5xx).
Result<std::string> http_get(const HttpRequest& request);
// What a status outside 2xx means, as http_get says it.
Error http_status_error(long status, const std::string& url);

struct DownloadRequest {
  HttpRequest http;    // max_bytes bounds the file
  std::string path;    // final place; data arrives in `path`.incomplete
  std::string sha256;  // expected, lower-case hex; "" = unknown, and an interrupted file starts anew
  int64_t size = -1;   // expected; -1 = unknown
};

struct Download {
  std::string sha256;  // of what lies at `path`
  int64_t size = 0;
  bool resumed = false;
};

// Downloads to a file, all or nothing: `path` appears only after size and hash agree. A rest of an earlier attempt is
// continued (Range) where a hash is expected to check it. A second process on the same path waits for the first.
// Errors as http_get; environment: the disk, or a hash that differs after a fresh attempt (the file is removed).
Result<Download> http_download(const DownloadRequest& request);

// Without query, fragment and user:password@: safe for messages and logs.
std::string redacted_url(const std::string& url);
// 127.0.0.0/8, ::1 or localhost: never reached through a proxy.
bool loopback_url(const std::string& url);
// Percent-encoding of one path segment or query value.
std::string url_escape(const std::string& text);

}  // namespace qeval
