#include "qeval/text/sentences.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "qeval/text/punkt_tokens.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

// Flags of a word's orthographic contexts: where in a sentence and in which case it was seen.
constexpr int kMiddleUpper = 1 << 2, kBeginLower = 1 << 4;
constexpr int kUpper = (1 << 1) | (1 << 2) | (1 << 3), kLower = (1 << 4) | (1 << 5) | (1 << 6);

enum class Starts { no, yes, unknown };

struct Range {
  size_t begin = 0, end = 0;
};

// A mark that may end a sentence, and what stands around it.
struct Candidate {
  size_t mark = 0;
  size_t word = 0;               // begin of the word before the mark
  size_t after_end = 0;          // end of what is looked at behind it
  std::optional<size_t> next;    // begin of the next word, where white space stands between
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// What the sentence splitter searches backwards for: ASCII white space alone.
bool is_ascii_space(uint32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::vector<Candidate> all_marks(const Points& text) {
  std::vector<Candidate> out;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (!punkt_ends_sentence(text[i])) continue;
    Candidate found{i, 0, i + 2, std::nullopt};
    if (!punkt_no_word(text[i + 1])) {
      size_t at = i + 1;
      while (at < text.size() && py_is_space(text[at])) ++at;
      if (at == i + 1 || at == text.size()) continue;
      found.next = at;
      while (at < text.size() && !py_is_space(text[at])) ++at;
      found.after_end = at;
    }
    out.push_back(found);
  }
  return out;
}

// Of marks that share a word, the last.
std::vector<Candidate> candidates_in(const Points& text) {
  std::vector<Candidate> out;
  std::optional<Candidate> before;
  size_t word_begin = 0, word_end = 0;
  for (Candidate& now : all_marks(text)) {
    size_t space = now.mark;
    while (space > word_end && !is_ascii_space(text[space - 1])) --space;
    // A space right at the end of the word before counts as none.
    now.word = space > word_end + 1 ? space : word_begin;
    if (before && word_end <= now.word) out.push_back(*before);
    before = now;
    word_begin = now.word;
    word_end = now.mark;
  }
  if (before) out.push_back(*before);
  return out;
}

}  // namespace

struct SentenceSplitter::Parameters {
  std::unordered_set<std::string> abbreviations, starters;
  std::unordered_set<std::string> collocations;  // both words, a tab between
  std::unordered_map<std::string, int> contexts;

  int context(const std::string& type) const {
    auto it = contexts.find(type);
    return it == contexts.end() ? 0 : it->second;
  }
  void by_type(PunktToken& token) const;
  void by_neighbour(PunktToken& token, const PunktToken& next) const;
  Starts starts_sentence(const PunktToken& token) const;
  bool breaks(const Points& text, const Candidate& candidate) const;
};

// First pass: decisions on the word alone.
void SentenceSplitter::Parameters::by_type(PunktToken& token) const {
  if (token.text == "." || token.text == "?" || token.text == "!") {
    token.sentence_break = true;
  } else if (!token.is_ellipsis && token.period_final && !token.text.ends_with("..")) {
    std::string word = py_lower(std::string_view(token.text).substr(0, token.text.size() - 1));
    token.abbreviation = abbreviations.contains(word) || abbreviations.contains(word.substr(word.rfind('-') + 1));
    token.sentence_break = !token.abbreviation;
  }
}

Starts SentenceSplitter::Parameters::starts_sentence(const PunktToken& token) const {
  if (token.text.size() == 1 && std::string_view(";:,.!?").find(token.text[0]) != std::string_view::npos) return Starts::no;
  int seen = context(token.type_without_sentence_period());
  if (token.first_upper && (seen & kLower) && !(seen & kMiddleUpper)) return Starts::yes;
  if (token.first_lower && ((seen & kUpper) || !(seen & kBeginLower))) return Starts::no;
  return Starts::unknown;
}

// Second pass: the next word may turn an abbreviation into the end of a sentence, or the other way round.
void SentenceSplitter::Parameters::by_neighbour(PunktToken& token, const PunktToken& next) const {
  if (!token.period_final) return;
  std::string type = token.type_without_period(), next_type = next.type_without_sentence_period();
  auto within_sentence = [&] { token.sentence_break = false, token.abbreviation = true; };
  if (collocations.contains(type + "\t" + next_type)) return within_sentence();
  if ((token.abbreviation || token.is_ellipsis) && !token.is_initial) {
    if (starts_sentence(next) == Starts::yes || (next.first_upper && starters.contains(next_type))) {
      token.sentence_break = true;
      return;
    }
  }
  if (!token.is_initial && type != "##number##") return;
  Starts starts = starts_sentence(next);
  bool name = starts == Starts::unknown && token.is_initial && next.first_upper && !(context(next_type) & kLower);
  if (starts == Starts::no || name) within_sentence();
}

bool SentenceSplitter::Parameters::breaks(const Points& text, const Candidate& candidate) const {
  PunktWords words(text, candidate.word, candidate.after_end);
  PunktToken token, next;
  if (!words.next(token)) return false;
  by_type(token);
  while (words.next(next)) {
    by_type(next);
    by_neighbour(token, next);
    if (token.sentence_break) return true;
    std::swap(token, next);
  }
  return false;
}

Result<SentenceSplitter> SentenceSplitter::load(const PunktFiles& files) {
  auto p = std::make_shared<Parameters>();
  for (std::string_view line : lines_of(files.abbrev_types)) p->abbreviations.emplace(line);
  for (std::string_view line : lines_of(files.sent_starters)) p->starters.emplace(line);
  for (std::string_view line : lines_of(files.collocations)) {
    if (std::count(line.begin(), line.end(), '\t') != 1)
      return bad_input(fmt::format("collocations.tab: two words with a tab between were expected, not \"{}\"", line.substr(0, 60)));
    p->collocations.emplace(line);
  }
  for (std::string_view line : lines_of(files.ortho_context)) {
    size_t tab = line.rfind('\t');
    int flags = 0;
    std::string_view number = tab == line.npos ? "" : line.substr(tab + 1);
    if (number.ends_with('\r')) number.remove_suffix(1);
    auto parsed = std::from_chars(number.data(), number.data() + number.size(), flags);
    if (number.empty() || parsed.ptr != number.data() + number.size())
      return bad_input(fmt::format("ortho_context.tab: a word, a tab and a number were expected, not \"{}\"", line.substr(0, 60)));
    p->contexts[std::string(line.substr(0, tab))] = flags;
  }
  if (p->contexts.empty()) return bad_input("ortho_context.tab is empty");
  SentenceSplitter out;
  out.parameters_ = std::move(p);
  return out;
}

std::vector<std::string> SentenceSplitter::split(std::string_view utf8) const {
  Points text = code_points(utf8);
  size_t length = text.size();
  while (length > 0 && py_is_space(text[length - 1])) --length;
  std::vector<Range> pieces;
  size_t last = 0;
  for (const Candidate& candidate : candidates_in(text)) {
    if (!parameters_->breaks(text, candidate)) continue;
    pieces.push_back({last, candidate.mark + 1});
    last = candidate.next.value_or(candidate.mark + 1);
  }
  pieces.push_back({last, std::max(last, length)});
  // Closing quotes and brackets at the beginning of a piece belong to the one before.
  std::vector<std::string> out;
  size_t moved = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    Range piece{pieces[i].begin + moved, pieces[i].end};
    moved = 0;
    if (i + 1 < pieces.size()) {
      Range next = pieces[i + 1];
      size_t n = 0;
      while (next.begin + n < next.end && punkt_closes(text[next.begin + n])) ++n;
      size_t after = next.begin + n;
      while (after < next.end && py_is_space(text[after])) ++after;
      bool dashes = next.begin + n + 1 < next.end && text[next.begin + n] == '-' && text[next.begin + n + 1] == '-';
      if (n > 0 && (after > next.begin + n || dashes || after == next.end)) {
        piece.end = next.begin + n;
        moved = after - next.begin;
        out.push_back(to_utf8(Points(text.begin() + static_cast<ptrdiff_t>(piece.begin), text.begin() + static_cast<ptrdiff_t>(piece.end))));
        continue;
      }
    }
    if (piece.begin < piece.end)
      out.push_back(to_utf8(Points(text.begin() + static_cast<ptrdiff_t>(piece.begin), text.begin() + static_cast<ptrdiff_t>(piece.end))));
  }
  return out;
}

}  // namespace qeval
