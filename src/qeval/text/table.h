#pragma once

#include <string>
#include <vector>

namespace qeval {

enum class Align { left, right };
// Rows of cells to a terminal table (box drawing when `unicode`) or GitHub Markdown (pipes and newlines escaped).
struct Table {
  std::vector<std::string> headers;
  std::vector<Align> aligns;                     // missing = left
  std::vector<std::vector<std::string>> rows;
  std::string terminal(bool unicode = true) const;
  std::string markdown() const;
};
std::string escape_markdown_cell(const std::string& text);

}  // namespace qeval
