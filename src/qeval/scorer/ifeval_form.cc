#include <fmt/format.h>

#include <algorithm>

#include "qeval/scorer/answer.h"
#include "qeval/scorer/ifeval_checks.h"
#include "qeval/text/regex.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

constexpr auto npos = std::string_view::npos;

std::vector<std::string_view> split(std::string_view text, std::string_view by) {
  std::vector<std::string_view> out;
  size_t at = 0;
  for (size_t hit; (hit = text.find(by, at)) != npos; at = hit + by.size()) out.push_back(text.substr(at, hit - at));
  out.push_back(text.substr(at));
  return out;
}

// Divider "***" with at most one white space on each side. White space between pieces makes no piece blank or not.
Result<bool> paragraphs(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(int64_t wanted, a.integer("num_paragraphs"));
  auto pieces = split(t.text, "***");
  auto n = static_cast<int64_t>(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!is_blank(pieces[i])) continue;
    if (i != 0 && i + 1 != pieces.size()) return false;
    --n;
  }
  return n == wanted;
}

// Up to the first mark that ends a word, without quotes before it.
std::string first_word(std::string_view paragraph) {
  std::vector<uint32_t> word;
  for (uint32_t c : code_points(py_strip(paragraph))) {
    if (py_is_space(c)) break;
    word.push_back(c);
  }
  std::string text = py_lstrip(py_lstrip(to_utf8(word), "'"), "\"");
  return py_lower(text.substr(0, text.find_first_of(".,?!'\"")));
}

Result<bool> nth_paragraph_first_word(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(int64_t wanted, a.integer("num_paragraphs"));
  QEVAL_TRY(int64_t nth, a.integer("nth_paragraph"));
  QEVAL_TRY(std::string word, a.text("first_word"));
  if (nth < 1) return fail(a.wrong("nth_paragraph", "1 or more"));
  auto pieces = split(t.text, "\n\n");
  int64_t n = static_cast<int64_t>(pieces.size()) - std::count_if(pieces.begin(), pieces.end(), is_blank);
  if (nth > n) return false;
  std::string_view piece = pieces[static_cast<size_t>(nth - 1)];
  return !is_blank(piece) && n == wanted && first_word(piece) == py_lower(word);
}

// "[…]" within a line.
Result<bool> placeholders(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(int64_t wanted, a.integer("num_placeholders"));
  int64_t n = 0;
  for (std::string_view line : split(t.text, "\n"))
    for (size_t at = 0; (at = line.find('[', at)) != npos && (at = line.find(']', at)) != npos; ++at) ++n;
  return n >= wanted;
}

Result<bool> postscript(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(std::string marker, a.text("postscript_marker"));
  marker = py_strip(marker);
  std::string pattern = marker == "P.P.S"  ? "p\\.\\s?p\\.\\s?s"
                        : marker == "P.S." ? "p\\.\\s?s\\."
                                           : py_lower(marker);
  QEVAL_TRY(Regex regex, Regex::compile(pattern));
  QEVAL_TRY(auto found, regex.search(py_lower(t.text)));
  return found.has_value();
}

// Matches of ^\s*MARK…$ in multi-line mode. White space before the mark may span lines; `taken` ends a match.
template <typename Take>
int64_t count_lines_beginning(std::string_view text, char mark, Take taken) {
  int64_t n = 0;
  size_t at = 0;
  while (at < text.size()) {
    // At a line's begin: skip white space, over line ends too.
    size_t c = at;
    while (c < text.size()) {
      uint32_t point = 0;
      size_t bytes = 1;
      auto byte = static_cast<unsigned char>(text[c]);
      if (byte >= 0x80) {
        bytes = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        auto decoded = code_points(text.substr(c, bytes));
        point = decoded.empty() ? 0 : decoded[0];
      } else {
        point = byte;
      }
      if (!py_is_space(point)) break;
      c += bytes;
    }
    size_t end = c < text.size() && text[c] == mark ? taken(c) : npos;
    if (end != npos) ++n;
    size_t line = text.find('\n', end == npos ? c : end);
    if (line == npos) break;
    at = line + 1;
  }
  return n;
}

Result<bool> bullets(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(int64_t wanted, a.integer("num_bullets"));
  std::string_view text = t.text;
  // \*[^\*].*$: any character but an asterisk follows, a line end too.
  auto star = [&](size_t at) { return at + 1 < text.size() && text[at + 1] != '*' ? at + 2 : npos; };
  auto dash = [](size_t at) { return at + 1; };
  return count_lines_beginning(text, '*', star) + count_lines_beginning(text, '-', dash) == wanted;
}

Result<bool> constrained(const IfevalArguments&, const IfevalText& t) {
  for (const char* option : {"My answer is yes.", "My answer is no.", "My answer is maybe."})
    if (t.text.find(option) != npos) return true;
  return false;
}

// *…* and **…** within a line, of which something is left without asterisks and white space.
Result<bool> highlights(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(int64_t wanted, a.integer("num_highlights"));
  std::string_view text = t.text;
  int64_t n = 0;
  for (std::string_view mark : {"*", "**"}) {
    for (size_t at = 0; (at = text.find(mark, at)) != npos;) {
      size_t inside = at + mark.size(), end = text.find_first_of("*\n", inside);
      if (end == npos) break;
      if (text.compare(end, mark.size(), mark) != 0) {
        ++at;
        continue;
      }
      n += !is_blank(text.substr(inside, end - inside));
      at = end + mark.size();
    }
  }
  return n >= wanted;
}

Result<bool> sections(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(std::string splitter, a.text("section_spliter"));
  QEVAL_TRY(int64_t wanted, a.integer("num_sections"));
  QEVAL_TRY(Regex regex, Regex::compile(fmt::format("\\s?{}\\s?\\d+\\s?", py_strip(splitter))));
  QEVAL_TRY(auto found, regex.findall(t.text));
  return static_cast<int64_t>(found.size()) >= wanted;
}

Result<bool> json_format(const IfevalArguments&, const IfevalText& t) {
  std::string value = py_strip(t.text);
  std::string_view json = value;
  for (std::string_view fence : {"```json", "```Json", "```JSON", "```"})
    if (json.starts_with(fence)) json.remove_prefix(fence.size());
  if (json.ends_with("```")) json.remove_suffix(3);
  return is_python_json(py_strip(json));
}

// <<…>> within a line; greedy, so that there is at most one a line.
Result<bool> title(const IfevalArguments&, const IfevalText& t) {
  for (std::string_view line : split(t.text, "\n")) {
    size_t open = line.find("<<"), close = line.rfind(">>");
    if (open == npos || close == npos || close < open + 3) continue;
    std::string found = py_rstrip(py_lstrip(line.substr(open, close + 2 - open), "<"), ">");
    if (!is_blank(found)) return true;
  }
  return false;
}

Result<bool> two_responses(const IfevalArguments&, const IfevalText& t) {
  std::vector<std::string> found;
  auto pieces = split(t.text, "******");
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::string piece = py_strip(pieces[i]);
    if (!piece.empty()) found.push_back(std::move(piece));
    else if (i != 0 && i + 1 != pieces.size()) return false;
  }
  return found.size() == 2 && found[0] != found[1];
}

Result<bool> repeat_prompt(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(std::string prompt, a.text("prompt_to_repeat"));
  return py_lower(py_strip(t.text)).starts_with(py_lower(py_strip(prompt)));
}

Result<bool> end_checker(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(std::string phrase, a.text("end_phrase"));
  return py_lower(py_strip(py_strip(t.text), "\"")).ends_with(py_lower(py_strip(phrase)));
}

Result<bool> no_comma(const IfevalArguments&, const IfevalText& t) { return t.text.find(',') == npos; }

Result<bool> quotation(const IfevalArguments&, const IfevalText& t) {
  std::string value = py_strip(t.text);
  return value.size() > 1 && value.front() == '"' && value.back() == '"';
}

constexpr IfevalKind kFormKinds[] = {
    {"length_constraints:number_paragraphs", paragraphs},
    {"length_constraints:nth_paragraph_first_word", nth_paragraph_first_word},
    {"detectable_content:number_placeholders", placeholders},
    {"detectable_content:postscript", postscript},
    {"detectable_format:number_bullet_lists", bullets},
    {"detectable_format:constrained_response", constrained},
    {"detectable_format:number_highlighted_sections", highlights},
    {"detectable_format:multiple_sections", sections},
    {"detectable_format:json_format", json_format},
    {"detectable_format:title", title},
    {"combination:two_responses", two_responses},
    {"combination:repeat_prompt", repeat_prompt},
    {"startend:end_checker", end_checker},
    {"startend:quotation", quotation},
    {"punctuation:no_comma", no_comma},
    {nullptr, nullptr},
};

}  // namespace

const IfevalKind* ifeval_form_kinds() { return kFormKinds; }

}  // namespace qeval
