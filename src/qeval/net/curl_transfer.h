#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "qeval/net/http_client.h"

namespace qeval {

// One HTTP exchange. `on_body` gets the body of every answer that is not a redirect being followed, after `on_start`
// was told status and headers; either returns false to end the transfer (no error of its own).
struct CurlTransfer {
  const HttpRequest* request = nullptr;
  int64_t resume_from = 0;
  std::function<bool(const HttpResponse&)> on_start;  // may be null
  std::function<bool(std::string_view)> on_body;
};

struct CurlOutcome {
  HttpResponse response;
  bool connected = false;  // an answer began: a further attempt makes sense
  bool stopped = false;    // a callback ended it
};

// Error.kind unavailable with `connected` kept in `outcome` for the retry decision.
Status curl_perform(const CurlTransfer& transfer, CurlOutcome& outcome);

// Waits before attempt `n` (1 …), longer each time; false where `progress` asked to stop.
bool back_off(int n, const HttpProgress& progress);

}  // namespace qeval
