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

// One split through the hub's JSON row service, page by page, as JSON lines with the service's key order.
// `progress` gets rows, not bytes. Errors as http_get, and bad_input where the service cut a cell short.
Result<std::string> fetch_rows_as_jsonl(const RowQuery& query, const HttpProgress& progress = nullptr);

}  // namespace qeval
