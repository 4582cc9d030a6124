#include "qeval/scorer/lenient.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "qeval/scorer/filter.h"
#include "qeval/text/unicode.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

constexpr size_t kWindow = size_t{64} << 10;
constexpr size_t kMarkedBytes = 300;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_ascii_digit(c) || is_upper(c) || (c >= 'a' && c <= 'z') || (c & 0x80); }

struct Number {
  double value = 0;
  size_t begin = 0, end = 0;
};

// The number at `at`: optional minus and $, digits with thousands separators, decimals.
std::optional<Number> number_at(std::string_view text, size_t at) {
  size_t i = at;
  std::string digits;
  if (i < text.size() && text[i] == '-') digits += text[i++];
  if (i < text.size() && text[i] == '$') ++i;
  size_t first = i;
  bool point = false;
  for (; i < text.size() && digits.size() < 40; ++i) {
    if (is_ascii_digit(text[i]))
      digits += text[i];
    else if (text[i] == ',' && i > first && !point && i + 1 < text.size() && is_ascii_digit(text[i + 1]))
      continue;
    else if (text[i] == '.' && !point && i + 1 < text.size() && is_ascii_digit(text[i + 1]))
      point = true, digits += '.';
    else
      break;
  }
  if (i == first || digits.empty() || !is_ascii_digit(digits.back())) return std::nullopt;
  return Number{std::strtod(digits.c_str(), nullptr), at, i};
}

std::optional<Number> first_number(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    bool starts = is_ascii_digit(text[i]) || ((text[i] == '-' || text[i] == '$' || text[i] == '.') && i + 1 < text.size());
    if (starts)
      if (auto number = number_at(text, i)) return number;
  }
  return std::nullopt;
}

std::optional<Number> last_number(std::string_view text) {
  std::optional<Number> last;
  for (size_t i = 0; i < text.size();) {
    auto number = is_ascii_digit(text[i]) || text[i] == '-' || text[i] == '$' ? number_at(text, i) : std::nullopt;
    if (number) last = number;
    i = number ? number->end : i + 1;
  }
  return last;
}

bool near(double a, double b) { return a == b || std::fabs(a - b) <= 1e-9 * std::max(std::fabs(a), std::fabs(b)); }

// A text that is one number and what people write around it.
std::optional<double> whole_number(std::string_view text) {
  std::string bare = py_strip(text);
  auto number = first_number(bare);
  if (!number) return std::nullopt;
  std::string rest = bare.substr(0, number->begin) + bare.substr(number->end);
  bool plain = rest.find_first_not_of(" $.,%*_`'\"()[]{}\\=:") == std::string::npos;
  return plain ? std::optional(number->value) : std::nullopt;
}

// "B", "(b)", "B." → 'B'.
std::optional<char> whole_letter(std::string_view text) {
  std::string bare = py_strip(text, " \t\r\n()[].:*`'\"");
  if (bare.size() != 1 || !is_alnum(bare[0]) || is_ascii_digit(bare[0]) || (bare[0] & 0x80)) return std::nullopt;
  return is_upper(bare[0]) ? bare[0] : static_cast<char>(bare[0] - 'a' + 'A');
}

// Words alone, in lower case, one space between; articles dropped.
std::string words_of(std::string_view text) {
  std::string out, word;
  auto end_word = [&] {
    if (!word.empty() && word != "the" && word != "a" && word != "an") out += (out.empty() ? "" : " ") + word;
    word.clear();
  };
  for (char c : text) {
    if (is_alnum(c))
      word += lower_ascii(c);
    else
      end_word();
  }
  end_word();
  return out;
}

bool holds_words(const std::string& text, const std::string& words) {
  return !words.empty() && (" " + text + " ").find(" " + words + " ") != std::string::npos;
}

std::vector<std::string> choice_texts(const Sample& sample) {
  auto is_letters = [](const std::vector<std::string>& texts) {
    return std::all_of(texts.begin(), texts.end(), [](const std::string& t) { return whole_letter(t).has_value(); });
  };
  if (!sample.choices.empty() && !is_letters(sample.choices)) return sample.choices;
  std::vector<std::string> out;
  if (!sample.doc.is_object() || !sample.doc.contains("choices")) return out;
  const Json* list = &sample.doc["choices"];
  if (list->is_object() && list->contains("text")) list = &(*list)["text"];
  if (list->is_array())
    for (const Json& choice : *list) out.push_back(filtered_text(choice));
  return is_letters(out) ? std::vector<std::string>() : out;
}

// Contents of the last \boxed{…}, balanced; npos start where there is none.
std::pair<size_t, std::string_view> last_boxed(std::string_view text) {
  constexpr std::string_view open = "\\boxed{";
  size_t at = text.rfind(open);
  if (at == std::string_view::npos) return {at, {}};
  int depth = 1;
  size_t begin = at + open.size();
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return {at, text.substr(begin, i - begin)};
  }
  return {std::string_view::npos, {}};
}

std::string_view rest_of_line(std::string_view text, size_t at) {
  std::string_view rest = text.substr(at, kMarkedBytes);
  size_t begin = rest.find_first_not_of(" \t\r\n:=*");
  if (begin == std::string_view::npos) return {};
  rest.remove_prefix(begin);
  return rest.substr(0, rest.find('\n'));
}

// What follows the last marker in the text.
std::optional<std::string_view> last_marked(std::string_view text) {
  auto [best, marked] = last_boxed(text);
  bool found = best != std::string_view::npos;
  std::string small = lower_ascii(text);
  for (std::string_view marker : {"#### ", "answer is", "answer:", "answer =", "answer**:", "answer would be"}) {
    size_t at = small.rfind(marker);
    if (at == std::string::npos || (found && at <= best)) continue;
    std::string_view rest = rest_of_line(text, at + marker.size());
    // "The answer is \boxed{3}": the box says it.
    if (rest.empty() || rest.find("\\boxed{") != std::string_view::npos) continue;
    best = at, marked = rest, found = true;
  }
  return found ? std::optional(marked) : std::nullopt;
}

std::optional<char> leading_letter(std::string_view text) {
  size_t i = text.find_first_not_of(" \t*_`'\"([{$\\");
  if (i == std::string_view::npos) return std::nullopt;
  std::string small = lower_ascii(text.substr(i, 12));
  for (std::string_view word : {"option ", "choice ", "text{", "mathrm{", "("})
    if (small.compare(0, word.size(), word) == 0) {
      i = text.find_first_not_of(" (*", i + word.size());
      if (i == std::string_view::npos) return std::nullopt;
      break;
    }
  bool alone = i + 1 >= text.size() || (!is_alnum(text[i + 1]) && text[i + 1] != '\'');
  if (is_upper(text[i]) && alone) return text[i];
  bool bracket = i + 1 < text.size() && text[i + 1] == ')';
  return bracket && text[i] >= 'a' && text[i] <= 'z' ? std::optional(static_cast<char>(text[i] - 'a' + 'A'))
                                                     : std::nullopt;
}

// The last letter in brackets, or alone on a line before the line's end, '.', ')' or ':'.
std::optional<char> unmarked_letter(std::string_view text) {
  std::optional<char> found;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_upper(text[i])) continue;
    char before = i == 0 ? '\n' : text[i - 1], after = i + 1 == text.size() ? '\n' : text[i + 1];
    bool bracketed =
        (before == '(' && after == ')') || (before == '*' && (after == '*' || after == '.' || after == ')'));
    bool line = (before == '\n' || (i == 1 && before == ' ')) &&
                (after == '\n' || after == '.' || after == ')' || after == ':');
    if (bracketed || line) found = text[i];
  }
  return found;
}

// The one choice whose words occur; a choice inside another one that occurs does not count.
std::optional<size_t> named_choice(std::string_view text, const std::vector<std::string>& choices) {
  std::string words = words_of(text);
  std::vector<std::string> wanted;
  for (const std::string& choice : choices) wanted.push_back(words_of(choice));
  std::optional<size_t> found;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!holds_words(words, wanted[i])) continue;
    bool inner = false;
    for (size_t j = 0; j < wanted.size(); ++j)
      inner = inner || (j != i && wanted[j].size() > wanted[i].size() && holds_words(words, wanted[j]) &&
                        holds_words(wanted[j], wanted[i]));
    if (inner) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

LenientAnswer read_number(std::string_view text, double gold, const LenientOptions& options) {
  std::optional<Number> number;
  std::string_view source;
  if (auto marked = last_marked(text)) {
    source = *marked;
    size_t equals = source.rfind('=');
    number = equals == std::string_view::npos ? std::nullopt : first_number(source.substr(equals + 1));
    if (number)
      source = source.substr(equals + 1);
    else
      number = first_number(source);
  }
  if (!number && options.without_marker) {
    number = last_number(text);
    source = text;
  }
  if (!number) return {};
  return {true, near(number->value, gold), std::string(source.substr(number->begin, number->end - number->begin))};
}

LenientAnswer read_letter(std::string_view text, char gold, const Sample& sample, const LenientOptions& options) {
  std::vector<std::string> choices = choice_texts(sample);
  auto marked = last_marked(text);
  std::optional<char> letter = marked ? leading_letter(*marked) : std::nullopt;
  if (!letter && marked)
    if (auto choice = named_choice(*marked, choices)) letter = static_cast<char>('A' + *choice);
  if (!letter && options.without_marker) letter = unmarked_letter(text);
  if (!letter && options.without_marker)
    if (auto choice = named_choice(text, choices)) letter = static_cast<char>('A' + *choice);
  if (!letter) return {};
  return {true, *letter == gold, std::string(1, *letter)};
}

LenientAnswer read_words(std::string_view text, std::string_view gold, const LenientOptions& options) {
  std::string wanted = words_of(gold);
  if (wanted.empty()) return {};
  if (auto marked = last_marked(text)) {
    std::string words = words_of(*marked);
    bool right = words == wanted || (words + " ").compare(0, wanted.size() + 1, wanted + " ") == 0;
    return {true, right, std::string(*marked)};
  }
  if (!options.without_marker) return {};
  std::string bare = py_strip(text);
  size_t first = bare.find('\n'), last = bare.rfind('\n');
  for (std::string_view line :
       {std::string_view(bare), std::string_view(bare).substr(0, first),
        last == std::string::npos ? std::string_view() : std::string_view(bare).substr(last + 1)})
    if (words_of(line) == wanted) return {true, true, std::string(line)};
  return {};
}

// Both ends of a long text: answers stand there.
std::string window(std::string_view text) {
  if (text.size() <= 2 * kWindow) return std::string(text);
  return std::string(text.substr(0, kWindow)) + "\n" + std::string(text.substr(text.size() - kWindow));
}

}  // namespace

bool has_definite_form(std::string_view gold) { return whole_number(gold) || whole_letter(gold); }

bool same_value(std::string_view extracted, std::string_view gold) {
  if (extracted.size() > kWindow) return false;
  if (auto number = whole_number(gold)) {
    auto ours = first_number(extracted);
    auto second = ours ? first_number(extracted.substr(ours->end)) : std::nullopt;
    return ours && !second && near(ours->value, *number);
  }
  if (auto letter = whole_letter(gold)) return whole_letter(extracted) == letter;
  std::string words = words_of(gold);
  return !words.empty() && words_of(extracted) == words;
}

LenientAnswer find_leniently(std::string_view text, std::string_view gold, const Sample& sample,
                             const LenientOptions& options) {
  std::string seen = window(text);
  if (auto number = whole_number(gold)) return read_number(seen, *number, options);
  if (auto letter = whole_letter(gold)) return read_letter(seen, *letter, sample, options);
  return read_words(seen, gold, options);
}

}  // namespace qeval
