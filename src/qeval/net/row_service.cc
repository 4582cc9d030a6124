#include "qeval/net/row_service.h"

#include <fmt/format.h>

#include "qeval/util/json.h"

namespace qeval {
namespace {

constexpr int64_t kPage = 100;  // the service's own limit

// Appends a page's rows; returns how many.
Result<int64_t> append_page(Json page, const std::string& where, std::string& out, int64_t& total) {
  total = json_int(page, "num_rows_total", -1);
  if (total < 0 || !page.contains("rows") || !page["rows"].is_array())
    return bad_input(where + ": not an answer of the row service");
  for (const Json& entry : page["rows"]) {
    if (!entry.is_object() || !entry.contains("row") || !entry["row"].is_object())
      return bad_input(where + ": not an answer of the row service");
    if (entry.contains("truncated_cells") && !entry["truncated_cells"].empty())
      return bad_input(fmt::format("{}: the service cut row {} short: {}", where, json_int(entry, "row_idx", -1),
                                   dump_json(entry["truncated_cells"]).substr(0, 200)));
    out += dump_json(entry["row"]) + "\n";
  }
  return static_cast<int64_t>(page["rows"].size());
}

}  // namespace

Result<std::string> fetch_rows_as_jsonl(const RowQuery& query, const HttpProgress& progress, const PageGet& get) {
  PageGet page_at = get ? get : [&](const std::string& url) -> Result<std::string> {
    HttpRequest request;
    request.url = url;
    request.bearer_token = query.token;
    request.max_bytes = int64_t{64} << 20;
    return http_get(request);
  };
  std::string out;
  int64_t n = 0, total = 1;
  while (n < total) {
    std::string where =
        fmt::format("{}: {} {} {} at row {}", query.endpoint, query.dataset, query.config, query.split, n);
    auto body = page_at(fmt::format("{}/rows?dataset={}&config={}&split={}&offset={}&length={}", query.endpoint,
                                    url_escape(query.dataset), url_escape(query.config), url_escape(query.split), n,
                                    kPage));
    if (!body) return fail(get ? body.error().in(where) : body.error());
    auto page = parse_json(*body);
    if (!page) return fail(page.error().in(where));
    QEVAL_TRY(int64_t got, append_page(std::move(*page), where, out, total));
    if (total > query.max_rows)
      return bad_input(fmt::format("{}: {} rows are too many for the row service", where, total));
    if (got == 0 && n < total) return fail(ErrorKind::unavailable, where + ": an empty page");
    n += got;
    if (progress && !progress(n, total)) return fail(ErrorKind::interrupted, where + ": stopped");
  }
  return out;
}

}  // namespace qeval
