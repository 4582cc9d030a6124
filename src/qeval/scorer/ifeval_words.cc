#include <fmt/format.h>

#include <algorithm>

#include "qeval/scorer/ifeval_checks.h"
#include "qeval/text/regex.h"
#include "qeval/text/unicode.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

constexpr Regex::Options kAnyCase{.ignore_case = true};

Result<bool> contains(const std::string& pattern, std::string_view text) {
  QEVAL_TRY(Regex regex, Regex::compile(pattern, kAnyCase));
  QEVAL_TRY(auto found, regex.search(text));
  return found.has_value();
}

Result<bool> existence(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(auto keywords, a.texts("keywords"));
  for (const std::string& keyword : keywords) {
    QEVAL_TRY(bool found, contains(keyword, t.text));
    if (!found) return false;
  }
  return true;
}

Result<bool> forbidden(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(auto words, a.texts("forbidden_words"));
  for (const std::string& word : words) {
    QEVAL_TRY(bool found, contains("\\b" + word + "\\b", t.text));
    if (found) return false;
  }
  return true;
}

Result<bool> keyword_frequency(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(std::string keyword, a.text("keyword"));
  QEVAL_TRY(Regex regex, Regex::compile(py_strip(keyword), kAnyCase));
  QEVAL_TRY(auto found, regex.findall(t.text));
  return a.compare("relation", "frequency", static_cast<int64_t>(found.size()));
}

Result<bool> letter_frequency(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(std::string letter, a.text("letter"));
  std::vector<uint32_t> wanted = code_points(py_lower(letter));
  if (wanted.size() != 1) return fail(a.wrong("letter", "one character"));
  std::vector<uint32_t> text = code_points(py_lower(t.text));
  return a.compare("let_relation", "let_frequency", std::count(text.begin(), text.end(), wanted[0]));
}

Result<bool> response_language(const IfevalArguments& a, const IfevalText& t) {
  QEVAL_TRY(std::string language, a.text("language"));
  auto found = t.models.languages.detect(t.text);
  return !found || *found == language;
}

Result<bool> sentences(const IfevalArguments& a, const IfevalText& t) {
  return a.compare("relation", "num_sentences", static_cast<int64_t>(t.models.sentences.split(t.text).size()));
}

bool is_word_character(uint32_t c) {
  return c == '_' || py_is_alpha(c) || py_is_decimal(c) || py_is_digit(c) || py_is_numeric(c);
}

Result<bool> words(const IfevalArguments& a, const IfevalText& t) {
  int64_t n = 0;
  bool inside = false;
  for (uint32_t c : code_points(t.text)) {
    bool word = is_word_character(c);
    n += word && !inside;
    inside = word;
  }
  return a.compare("relation", "num_words", n);
}

// str.isupper (`upper`) and str.islower: a cased character, and none of another case.
bool is_all(std::string_view text, bool upper) {
  bool any = false;
  for (uint32_t c : code_points(text)) {
    if (py_is_title(c) || (upper ? py_is_lower(c) : py_is_upper(c))) return false;
    any = any || (upper ? py_is_upper(c) : py_is_lower(c));
  }
  return any;
}

bool is_english(const IfevalText& t) { return t.models.languages.detect(t.text).value_or("en") == "en"; }
Result<bool> english_capital(const IfevalArguments&, const IfevalText& t) { return is_all(t.text, true) && is_english(t); }
Result<bool> english_lowercase(const IfevalArguments&, const IfevalText& t) { return is_all(t.text, false) && is_english(t); }

Result<bool> capital_words(const IfevalArguments& a, const IfevalText& t) {
  int64_t n = 0;
  for (const std::string& sentence : t.models.sentences.split(t.text)) {
    QEVAL_TRY(auto found, treebank_words(sentence));
    n += std::count_if(found.begin(), found.end(), [](const std::string& word) { return is_all(word, true); });
  }
  return a.compare("capital_relation", "capital_frequency", n);
}

constexpr IfevalKind kWordKinds[] = {
    {"keywords:existence", existence},
    {"keywords:frequency", keyword_frequency},
    {"keywords:forbidden_words", forbidden},
    {"keywords:letter_frequency", letter_frequency},
    {"language:response_language", response_language},
    {"length_constraints:number_sentences", sentences},
    {"length_constraints:number_words", words},
    {"change_case:capital_word_frequency", capital_words},
    {"change_case:english_capital", english_capital},
    {"change_case:english_lowercase", english_lowercase},
    {nullptr, nullptr},
};

}  // namespace

const IfevalKind* ifeval_word_kinds() { return kWordKinds; }

}  // namespace qeval
