#include <array>

#include "qeval/text/regex.h"
#include "qeval/text/sentences.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

struct Rule {
  const char* pattern;
  const char* replacement;
};

// NLTK's substitutions in its order: quotes that open, punctuation, brackets, dashes, quotes that close, contractions.
constexpr Rule kBefore[] = {
    {"([«“‘„]|[`]+)", " \\1 "},
    {"^\"", "``"},
    {"(``)", " \\1 "},
    {"([ \\(\\[{<])(\"|'{2})", "\\1 `` "},
    {"(?i)(?<!\\w)(')(?!(?:re|ve|ll|m|t|s|d|n)\\b)(?=\\w)", "\\1 "},
    {"([^\\.])(\\.)([\\]\\)}>\"'»”’ ]*+)\\s*$", "\\1 \\2 \\3 "},
    {"([:,])([^\\d])", " \\1 \\2"},
    {"([:,])$", " \\1 "},
    {"\\.{2,}", " \\g<0> "},
    {"[;@#$%&]", " \\g<0> "},
    {"[\\u2012-\\u2015]", " \\g<0> "},
    {"([^\\.])(\\.)([\\]\\)}>\"']*)\\s*$", "\\1 \\2\\3 "},
    {"[?!]", " \\g<0> "},
    {"([^'])' ", "\\1 ' "},
    {"[*]", " \\g<0> "},
    {"[\\]\\[\\(\\)\\{\\}\\<\\>]", " \\g<0> "},
    {"--", " -- "},
};
constexpr Rule kAfter[] = {
    {"([»”’])", " \\1 "},
    {"''", " '' "},
    {"\"", " '' "},
    {"\\s+", " "},
    {"([^' ])('[sS]|'[mM]|'[dD]|') ", "\\1 \\2 "},
    {"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "\\1 \\2 "},
    {"(?i)\\b(can)(not)\\b", " \\1 \\2 "},
    {"(?i)\\b(d)('ye)\\b", " \\1 \\2 "},
    {"(?i)\\b(gim)(me)\\b", " \\1 \\2 "},
    {"(?i)\\b(gon)(na)\\b", " \\1 \\2 "},
    {"(?i)\\b(got)(ta)\\b", " \\1 \\2 "},
    {"(?i)\\b(lem)(me)\\b", " \\1 \\2 "},
    {"(?i)\\b(more)('n)\\b", " \\1 \\2 "},
    {"(?i)\\b(wan)(na)(?=\\s)", " \\1 \\2 "},
    {"(?i) ('t)(is)\\b", " \\1 \\2 "},
    {"(?i) ('t)(was)\\b", " \\1 \\2 "},
};

struct Compiled {
  std::vector<std::pair<Regex, std::string>> before, after;
};

template <size_t N>
Status compile(const Rule (&rules)[N], std::vector<std::pair<Regex, std::string>>& out) {
  for (const Rule& rule : rules) {
    QEVAL_TRY(Regex regex, Regex::compile(rule.pattern));
    out.emplace_back(std::move(regex), rule.replacement);
  }
  return {};
}

const Result<Compiled>& rules() {
  static const Result<Compiled> compiled = []() -> Result<Compiled> {
    Compiled out;
    QEVAL_CHECK(compile(kBefore, out.before));
    QEVAL_CHECK(compile(kAfter, out.after));
    return out;
  }();
  return compiled;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::vector<uint32_t> word;
  for (uint32_t c : code_points(text)) {
    if (!py_is_space(c)) {
      word.push_back(c);
    } else if (!word.empty()) {
      out.push_back(to_utf8(word));
      word.clear();
    }
  }
  if (!word.empty()) out.push_back(to_utf8(word));
  return out;
}

}  // namespace

Result<std::vector<std::string>> treebank_words(std::string_view sentence) {
  const Result<Compiled>& compiled = rules();
  if (!compiled) return fail(compiled.error());
  std::string text = valid_utf8(sentence);
  for (const auto& [regex, replacement] : compiled->before) {
    QEVAL_TRY(text, regex.sub(replacement, text));
  }
  text = " " + text + " ";
  for (const auto& [regex, replacement] : compiled->after) {
    QEVAL_TRY(text, regex.sub(replacement, text));
  }
  return words_of(text);
}

}  // namespace qeval
