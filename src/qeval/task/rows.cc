#include "qeval/task/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <unordered_map>

#include "qeval/text/unicode.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

std::string lower_ending(const std::string& file) {
  std::string name = lower_ascii(file.substr(file.rfind('/') + 1));
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(dot + 1);
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

Error bad_line(const std::string& file, size_t line, std::string_view text, const std::string& reason) {
  std::string shown = printable(valid_utf8(text.substr(0, 120)));
  return {ErrorKind::bad_input,
          fmt::format("{}:{}: {}\n  the line reads: {}{}", file, line, reason, shown, text.size() > 120 ? "…" : "")};
}

Result<std::vector<Json>> rows_of(Json value, const std::string& file, const std::string& field) {
  if (!field.empty()) {
    if (!value.is_object() || !value.contains(field)) return bad_input(fmt::format("{}: has no field '{}'", file, field));
    value = Json(std::move(value[field]));
  }
  if (!value.is_array()) return bad_input(fmt::format("{}: a list of documents was expected", file));
  std::vector<Json> rows;
  rows.reserve(value.size());
  for (Json& row : value) {
    if (!row.is_object()) return bad_input(fmt::format("{}: document {} is no object", file, rows.size()));
    rows.push_back(std::move(row));
  }
  return rows;
}

// A .json file is a list, one object with the documents in a field, or JSON lines all the same.
Result<std::vector<Json>> parse_json_file(std::string_view text, const std::string& file, const RowOptions& options) {
  size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return std::vector<Json>();
  bool whole = text[start] == '[' || !options.field.empty();
  if (!whole) {
    std::string_view first = text.substr(start, text.find('\n', start) - start);
    whole = !parse_json(first);
  }
  if (!whole) return parse_jsonl(text, file);
  auto value = parse_json(text);
  if (!value) return fail(value.error().in(file));
  return rows_of(std::move(*value), file, options.field);
}

}  // namespace

Error parquet_error(const std::string& file) {
  return {ErrorKind::bad_input,
          fmt::format("{}: Parquet cannot be read; convert it once with\n  python3 -c \"import pandas, sys; "
                      "pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient='records', lines=True)\" {} {}.jsonl",
                      file, file, file.ends_with(".parquet") ? file.substr(0, file.size() - 8) : file)};
}

Result<std::vector<Json>> parse_jsonl(std::string_view text, const std::string& file) {
  std::vector<Json> rows;
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (is_blank(line)) continue;
    auto row = parse_json(line);
    if (!row) return fail(bad_line(file, number, line, row.error().message));
    if (!row->is_object()) return fail(bad_line(file, number, line, "a JSON object was expected"));
    rows.push_back(std::move(*row));
  }
  return rows;
}

Result<std::vector<Json>> parse_rows(std::string_view text, const std::string& file, const RowOptions& options) {
  std::string ending = lower_ending(file);
  if (ending == "parquet" || text.starts_with("PAR1")) return fail(parquet_error(file));
  if (ending == "csv" || ending == "tsv") {
    RowOptions csv = options;
    if (ending == "tsv" && csv.delimiter == ',') csv.delimiter = '\t';
    return parse_csv(text, file, csv);
  }
  if (ending == "json") return parse_json_file(text, file, options);
  if (ending == "jsonl" || ending == "ndjson") return parse_jsonl(text, file);
  return bad_input(fmt::format("{}: its ending names no format that can be read (.jsonl, .json, .csv, .tsv, also with .gz)", file));
}

void unify_columns(std::vector<Json>& rows) {
  std::vector<std::string> columns;
  std::unordered_map<std::string, size_t> seen;
  bool same = true;
  size_t n_cells = 0;
  for (const Json& row : rows) {
    n_cells += row.size();
    same = same && (columns.empty() || row.size() == columns.size());
    for (const auto& [key, value] : row.items())
      if (seen.emplace(key, columns.size()).second) columns.push_back(key);
    same = same && row.size() == columns.size();
  }
  // Ragged beyond reason: filling it up would cost more than the file did.
  if (same || rows.size() * columns.size() > 4 * n_cells + 1000000) return;
  for (Json& row : rows) {
    if (row.size() == columns.size() && std::equal(columns.begin(), columns.end(), row.items().begin(),
                                                   [](const std::string& c, const auto& item) { return c == item.key(); }))
      continue;
    Json full = Json::object();
    for (const std::string& column : columns) full[column] = row.contains(column) ? std::move(row[column]) : Json();
    row = std::move(full);
  }
}

}  // namespace qeval
