#include "qeval/scorer/code_extract.h"

#include <fmt/format.h>

#include <algorithm>

namespace qeval {
namespace {

constexpr std::string_view kFence = "```";

bool is_word(unsigned char c) { return std::isalnum(c) || c == '_' || c >= 0x80; }

// Bytes that an information string and its line end take at `at`; 0 where the words there are not alone on their line.
size_t info_line(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && is_word(static_cast<unsigned char>(text[end]))) ++end;
  size_t after = end;
  while (after < text.size() && (text[after] == ' ' || text[after] == '\t' || text[after] == '\r')) ++after;
  if (after == text.size() || text[after] != '\n') return 0;
  return end - at + (after == end ? 1 : 0);
}

std::string first_block(std::string_view answer) {
  size_t begin = info_line(answer, 0);
  size_t end = answer.find(kFence, begin);
  if (end == std::string_view::npos) return "";
  if (end > begin && answer[end - 1] == '\n') --end;
  return std::string(answer.substr(begin, end - begin));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

bool starts_code(std::string_view line) {
  for (std::string_view word :
       {"def ", "class ", "import ", "from ", "@", "async def ", "    return ", "    if ", "    for "})
    if (line.substr(0, word.size()) == word) return true;
  return false;
}

bool may_end_code(std::string_view line) {
  return !line.empty() &&
         (line[0] == ' ' || line[0] == '\t' || line[0] == ')' || line[0] == ']' || line[0] == '}' || starts_code(line));
}

std::vector<std::string_view> blocks_of(std::string_view answer) {
  std::vector<std::string_view> blocks;
  for (size_t open = answer.find(kFence); open != std::string_view::npos;) {
    size_t begin = open + kFence.size();
    begin += info_line(answer, begin);
    size_t end = std::min(answer.find(kFence, begin), answer.size());
    blocks.push_back(answer.substr(begin, end - begin));
    open = end == answer.size() ? std::string_view::npos : answer.find(kFence, end + kFence.size());
  }
  return blocks;
}

std::string_view trimmed_of_chat(std::string_view answer) {
  std::vector<std::string_view> lines = lines_of(answer);
  auto first = std::find_if(lines.begin(), lines.end(), starts_code);
  if (first == lines.end()) return {};
  // Indented lines are the answer's own code, not talk before it.
  if (std::any_of(lines.begin(), first,
                  [](std::string_view line) { return !line.empty() && (line[0] == ' ' || line[0] == '\t'); }))
    return {};
  auto last = std::find_if(lines.rbegin(), lines.rend(), may_end_code).base();
  if (last <= first) return {};
  const char* begin = first->data();
  const char* end = (last - 1)->data() + (last - 1)->size();
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

Result<CodeExtract> code_extract_from(std::string_view name) {
  if (name == "raw") return CodeExtract::raw;
  if (name == "fence_cut") return CodeExtract::fence_cut;
  if (name == "first_fence") return CodeExtract::first_fence;
  return bad_input(fmt::format("extract: '{}' is not one of raw, fence_cut, first_fence", name));
}

std::string extract_code(CodeExtract how, std::string_view answer) {
  switch (how) {
    case CodeExtract::raw:
      return std::string(answer);
    case CodeExtract::fence_cut:
      return std::string(answer.substr(0, answer.find(kFence)));
    case CodeExtract::first_fence:
      return first_block(answer);
  }
  return std::string(answer);
}

std::vector<std::string> hidden_programs(std::string_view answer, size_t limit) {
  std::vector<std::string_view> found = blocks_of(answer);
  // A prefix may have opened the fence, so that the first one closes it.
  if (size_t fence = answer.find(kFence); fence != std::string_view::npos && fence > 0)
    found.push_back(answer.substr(0, fence));
  std::stable_sort(found.begin(), found.end(),
                   [](std::string_view a, std::string_view b) { return a.size() > b.size(); });
  found.push_back(trimmed_of_chat(answer));
  std::vector<std::string> out;
  for (std::string_view program : found) {
    if (out.size() == limit) break;
    if (program.find_first_not_of(" \t\r\n") == std::string_view::npos || program == answer) continue;
    if (std::find(out.begin(), out.end(), program) == out.end()) out.emplace_back(program);
  }
  return out;
}

}  // namespace qeval
