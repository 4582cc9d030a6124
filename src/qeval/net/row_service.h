#pragma once

#include <functional>
#include <string>

#include "qeval/net/http_client.h"
#include "qeval/util/result.h"

namespace qeval {

struct RowQuery {
  std::string dataset;  // hub id
  std::string config = "default";
  std::string split;
  std::string endpoint = "https://datasets-server.huggingface.co";
  std::string token;  // goes to `endpoint` alone; "" = none
  int64_t max_rows = 1000000;
};

// One GET: the body at `url`.
using PageGet = std::function<Result<std::string>(const std::string& url)>;

// One split through the hub's JSON row service, page by page, as JSON lines with the service's key order.
// `progress` gets rows, not bytes. `get`: null asks `endpoint` itself; else query.token is the caller's business.
// Errors as http_get, and bad_input where the service cut a cell short.
Result<std::string> fetch_rows_as_jsonl(const RowQuery& query, const HttpProgress& progress = nullptr,
                                        const PageGet& get = nullptr);

}  // namespace qeval
