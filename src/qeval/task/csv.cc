#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "qeval/task/rows.h"

namespace qeval {
namespace {

struct Line {
  size_t number = 0;
  std::vector<std::string> cells;
};

// RFC 4180 with either line ending; a quote inside an unquoted cell is an ordinary character.
class CsvReader {
 public:
  CsvReader(std::string_view text, char delimiter) : text_(text), delimiter_(delimiter) {}

  // False at the end. Blank lines are skipped.
  Result<bool> next(Line& line) {
    while (at_ < text_.size()) {
      line.number = number_;
      line.cells.clear();
      bool blank = text_[at_] == '\n' || text_[at_] == '\r';
      for (bool more = true; more;) {
        std::string cell;
        if (!read_cell(cell)) return bad_input(fmt::format("{}: a quoted cell has no closing quote", line.number));
        line.cells.push_back(std::move(cell));
        more = at_ < text_.size() && text_[at_] == delimiter_;
        if (more) ++at_;
      }
      end_line();
      if (!blank) return true;
    }
    return false;
  }

 private:
  bool read_cell(std::string& cell) {
    if (at_ < text_.size() && text_[at_] == '"') {
      ++at_;
      for (; at_ < text_.size(); ++at_) {
        char c = text_[at_];
        if (c == '\n') ++number_;
        if (c != '"') {
          cell += c;
        } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
          cell += '"';
          ++at_;
        } else {
          break;
        }
      }
      if (at_ >= text_.size()) return false;
      ++at_;
    }
    size_t end = at_;
    while (end < text_.size() && text_[end] != delimiter_ && text_[end] != '\n' && text_[end] != '\r') ++end;
    cell.append(text_.substr(at_, end - at_));
    at_ = end;
    return true;
  }
  void end_line() {
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] == '\n') ++at_;
    ++number_;
  }

  std::string_view text_;
  char delimiter_;
  size_t at_ = 0, number_ = 1;
};

bool is_missing(const std::string& cell) {
  // pandas' default missing-value texts.
  constexpr const char* kMissing[] = {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND",
                                      "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"};
  return std::any_of(std::begin(kMissing), std::end(kMissing), [&](const char* text) { return cell == text; });
}

std::string trimmed(const std::string& cell) {
  size_t start = cell.find_first_not_of(" \t"), end = cell.find_last_not_of(" \t");
  return start == std::string::npos ? "" : cell.substr(start, end - start + 1);
}

bool is_int(const std::string& cell) {
  std::string text = trimmed(cell);
  size_t start = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  if (text.size() == start || text.size() > 19 || text.find_first_not_of("0123456789", start) != std::string::npos) return false;
  errno = 0;
  std::strtoll(text.c_str(), nullptr, 10);
  return errno == 0;
}

bool is_float(const std::string& cell) {
  std::string text = trimmed(cell);
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string::npos) return false;
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return *end == '\0';
}

bool is_true(const std::string& cell) { return cell == "True" || cell == "TRUE" || cell == "true"; }
bool is_false(const std::string& cell) { return cell == "False" || cell == "FALSE" || cell == "false"; }

enum class Type { integer, real, boolean, text };

Type type_of(const std::vector<Line>& lines, size_t column) {
  bool ints = true, reals = true, truths = true, gaps = false, any = false;
  for (const Line& line : lines) {
    const std::string& cell = line.cells[column];
    if (is_missing(cell)) {
      gaps = true;
      continue;
    }
    any = true;
    ints = ints && is_int(cell);
    reals = reals && is_float(cell);
    truths = truths && (is_true(cell) || is_false(cell));
    if (!reals && !truths) return Type::text;
  }
  if (!any) return Type::text;
  if (ints) return gaps ? Type::real : Type::integer;
  return reals ? Type::real : truths && !gaps ? Type::boolean : Type::text;
}

Json value_of(const std::string& cell, Type type) {
  if (is_missing(cell)) return nullptr;
  switch (type) {
    case Type::integer: return std::strtoll(cell.c_str(), nullptr, 10);
    case Type::real: return std::strtod(cell.c_str(), nullptr);
    case Type::boolean: return is_true(cell);
    case Type::text: break;
  }
  return cell;
}

}  // namespace

Result<std::vector<Json>> parse_csv(std::string_view text, const std::string& file, const RowOptions& options) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  CsvReader reader(text, options.delimiter);
  std::vector<Line> lines;
  for (Line line;;) {
    auto more = reader.next(line);
    if (!more) return bad_input(fmt::format("{}:{}", file, more.error().message));
    if (!*more) break;
    lines.push_back(std::move(line));
    line = {};
  }
  std::vector<std::string> columns = options.column_names;
  if (options.has_header && !lines.empty()) {
    if (columns.empty()) columns = lines[0].cells;
    lines.erase(lines.begin());
  }
  if (columns.empty() && !lines.empty())
    for (size_t i = 0; i < lines[0].cells.size(); ++i) columns.push_back(std::to_string(i));
  if (columns.size() > 10000) return bad_input(fmt::format("{}: more than 10000 columns", file));
  size_t n_cells = 0;
  for (const Line& line : lines) n_cells += line.cells.size();
  if (lines.size() * columns.size() > 4 * n_cells + 1000000)
    return bad_input(fmt::format("{}: nearly all lines have fewer cells than the {} columns", file, columns.size()));
  for (Line& line : lines) {
    if (line.cells.size() > columns.size())
      return bad_input(fmt::format("{}:{}: {} columns were expected, {} found", file, line.number, columns.size(), line.cells.size()));
    line.cells.resize(columns.size());
  }
  std::vector<Type> types(columns.size(), Type::text);
  if (options.infer_types)
    for (size_t c = 0; c < columns.size(); ++c) types[c] = type_of(lines, c);
  std::vector<Json> rows;
  for (const Line& line : lines) {
    Json row = Json::object();
    for (size_t c = 0; c < columns.size(); ++c)
      row[columns[c]] = options.infer_types ? value_of(line.cells[c], types[c]) : Json(line.cells[c]);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace qeval
