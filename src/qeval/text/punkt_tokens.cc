#include "qeval/text/punkt_tokens.h"

#include <string_view>

#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

bool is_curly(uint32_t c) {
  return c == 0x2018 || c == 0x2019 || c == 0x201C || c == 0x201D || c == 0xAB || c == 0xBB;
}
bool is_one_of(uint32_t c, std::string_view set) { return c < 128 && set.find(static_cast<char>(c)) != set.npos; }
bool starts_word(uint32_t c) { return !is_one_of(c, "(\"`{[:;&#*@)}]-,"); }

// ^-?[.,]?\d[\d,.-]*$
bool is_number(const Points& word) {
  size_t i = 0;
  if (i < word.size() && word[i] == '-') ++i;
  if (i < word.size() && (word[i] == '.' || word[i] == ',')) ++i;
  if (i >= word.size() || !py_is_decimal(word[i])) return false;
  for (; i < word.size(); ++i)
    if (!py_is_decimal(word[i]) && !is_one_of(word[i], ",.-")) return false;
  return true;
}

bool is_letter(uint32_t c) {
  return c == '_' || py_is_alpha(c) || ((py_is_digit(c) || py_is_numeric(c)) && !py_is_decimal(c));
}

PunktToken token_of(const Points& text, size_t begin, size_t end) {
  Points word(text.begin() + static_cast<ptrdiff_t>(begin), text.begin() + static_cast<ptrdiff_t>(end));
  PunktToken out;
  out.text = to_utf8(word);
  out.type = py_lower(out.text);
  if (is_number(word)) out.type = "##number##";
  out.period_final = word.back() == '.';
  bool dots = true;
  for (uint32_t c : word) dots = dots && c == '.';
  out.is_ellipsis = dots && word.size() >= 2;
  out.is_initial = word.size() == 2 && word[1] == '.' && is_letter(word[0]);
  out.first_upper = py_is_upper(word[0]);
  out.first_lower = py_is_lower(word[0]);
  return out;
}

}  // namespace

std::string PunktToken::type_without_period() const {
  return type.size() > 1 && type.back() == '.' ? type.substr(0, type.size() - 1) : type;
}

bool punkt_ends_sentence(uint32_t c) { return c == '.' || c == '?' || c == '!'; }
bool punkt_closes(uint32_t c) { return is_one_of(c, "\"')]}") || is_curly(c); }
bool punkt_no_word(uint32_t c) { return is_one_of(c, ")\";}]*:@'({[?!") || is_curly(c); }

bool PunktWords::space(size_t at) const { return at < line_end_ && py_is_space(text_[at]); }

size_t PunktWords::run(size_t at, uint32_t c) const {
  size_t n = 0;
  while (is(at + n, c)) ++n;
  return n;
}

size_t PunktWords::several_marks(size_t at) const {
  if (size_t n = run(at, '-'); n >= 2) return n;
  if (size_t n = run(at, '.'); n >= 2) return n;
  size_t pairs = 0;
  while (is(at + 2 * pairs, '.') && space(at + 2 * pairs + 1)) ++pairs;
  if (pairs >= 2 && is(at + 2 * pairs, '.')) return 2 * pairs + 1;
  return pairs >= 3 ? 2 * pairs - 1 : 0;
}

bool PunktWords::has_several_marks(size_t at) const {
  if (is(at, '-')) return is(at + 1, '-');
  return is(at, '.') && (is(at + 1, '.') || (space(at + 1) && is(at + 2, '.') && space(at + 3) && is(at + 4, '.')));
}

bool PunktWords::breaks(size_t at) const {
  return at >= line_end_ || py_is_space(text_[at]) || punkt_no_word(text_[at]) || has_several_marks(at);
}

bool PunktWords::word_ends(size_t at) const { return breaks(at) || (text_[at] == ',' && breaks(at + 1)); }

bool PunktWords::next(PunktToken& token) {
  while (at_ < to_ && py_is_space(text_[at_])) ++at_;
  if (at_ >= to_) return false;
  if (at_ >= line_end_) {
    line_end_ = at_;
    while (line_end_ < to_ && text_[line_end_] != '\n') ++line_end_;
  }
  size_t begin = at_;
  size_t several = several_marks(at_);
  if (several > 0) {
    at_ += several;
  } else {
    bool is_word = starts_word(text_[at_]);
    ++at_;
    while (is_word && !word_ends(at_)) ++at_;
  }
  token = token_of(text_, begin, at_);
  return true;
}

}  // namespace qeval
