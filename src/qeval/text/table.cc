#include "qeval/text/table.h"

#include <algorithm>

#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

// One line: what would break a row is shown as one space or escaped.
std::string cell_text(const std::string& text) {
  std::string line;
  for (char c : text) line += c == '\n' || c == '\t' || c == '\r' ? ' ' : c;
  return printable(line);
}

struct Grid {
  std::vector<std::vector<std::string>> rows;  // [0]: headers
  std::vector<size_t> widths;
};

template <typename F>
Grid grid_of(const Table& table, F&& cell) {
  Grid grid;
  size_t n = table.headers.size();
  for (const auto& row : table.rows) n = std::max(n, row.size());
  auto add = [&](const std::vector<std::string>& row) {
    auto& out = grid.rows.emplace_back();
    for (size_t i = 0; i < n; ++i) out.push_back(i < row.size() ? cell(row[i]) : "");
  };
  add(table.headers);
  for (const auto& row : table.rows) add(row);
  grid.widths.assign(n, 0);
  for (const auto& row : grid.rows)
    for (size_t i = 0; i < n; ++i) grid.widths[i] = std::max(grid.widths[i], display_width(row[i]));
  return grid;
}

Align align_of(const Table& table, size_t column) {
  return column < table.aligns.size() ? table.aligns[column] : Align::left;
}

std::string padded(const std::string& text, size_t width, Align align) {
  size_t own = display_width(text);
  std::string space(width > own ? width - own : 0, ' ');
  return align == Align::right ? space + text : text + space;
}

struct Style {
  std::string_view horizontal, vertical, top[3], middle[3], bottom[3];
};
constexpr Style kBox = {"─", "│", {"┌", "┬", "┐"}, {"├", "┼", "┤"}, {"└", "┴", "┘"}};
constexpr Style kAscii = {"-", "|", {"+", "+", "+"}, {"+", "+", "+"}, {"+", "+", "+"}};

void rule(std::string& out, const Style& style, const std::string_view (&corners)[3], const std::vector<size_t>& widths) {
  out += corners[0];
  for (size_t i = 0; i < widths.size(); ++i) {
    if (i) out += corners[1];
    for (size_t k = 0; k < widths[i] + 2; ++k) out += style.horizontal;
  }
  out += corners[2];
  out += '\n';
}

}  // namespace

std::string Table::terminal(bool unicode) const {
  Grid grid = grid_of(*this, cell_text);
  if (grid.widths.empty()) return "";
  const Style& style = unicode ? kBox : kAscii;
  std::string out;
  rule(out, style, style.top, grid.widths);
  for (size_t r = headers.empty() ? 1 : 0; r < grid.rows.size(); ++r) {
    for (size_t i = 0; i < grid.widths.size(); ++i) {
      out += style.vertical;
      out += ' ' + padded(grid.rows[r][i], grid.widths[i], align_of(*this, i)) + ' ';
    }
    out += style.vertical;
    out += '\n';
    if (r == 0) rule(out, style, style.middle, grid.widths);
  }
  rule(out, style, style.bottom, grid.widths);
  return out;
}

std::string Table::markdown() const {
  Grid grid = grid_of(*this, escape_markdown_cell);
  if (grid.widths.empty()) return "";
  std::string out;
  for (size_t r = 0; r < grid.rows.size(); ++r) {
    for (size_t i = 0; i < grid.widths.size(); ++i)
      out += "| " + padded(grid.rows[r][i], std::max<size_t>(grid.widths[i], 3), align_of(*this, i)) + " ";
    out += "|\n";
    if (r > 0) continue;
    for (size_t i = 0; i < grid.widths.size(); ++i) {
      bool right = align_of(*this, i) == Align::right;
      out += "| " + std::string(std::max<size_t>(grid.widths[i], 3) - right, '-') + (right ? ":" : "") + " ";
    }
    out += "|\n";
  }
  return out;
}

std::string escape_markdown_cell(const std::string& text) {
  std::string out;
  std::string clean;
  clean.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      if (i + 1 < text.size() && text[i + 1] == '\n') continue;
      clean += '\n';
    } else {
      clean += text[i] == '\t' ? ' ' : text[i];
    }
  }
  // Control characters as on a terminal; then what Markdown or its embedded HTML would act on.
  for (char c : printable(clean)) {
    switch (c) {
      case '\n': out += "<br>"; break;
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '|':
      case '\\':
      case '`':
      case '*':
      case '[':
      case ']':
        out += '\\';
        out += c;
        break;
      default: out += c;
    }
  }
  return py_strip(out);
}

}  // namespace qeval
