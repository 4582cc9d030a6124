#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Internal to text/: the words that the Punkt sentence splitter looks at.
namespace qeval {

using Points = std::vector<uint32_t>;

struct PunktToken {
  std::string text;         // as written
  std::string type;         // lower case, numbers as ##number##
  bool period_final = false, is_ellipsis = false, is_initial = false;
  bool first_upper = false, first_lower = false;
  bool sentence_break = false, abbreviation = false;
  std::string type_without_period() const;
  std::string type_without_sentence_period() const { return sentence_break ? type_without_period() : type; }
};

bool punkt_ends_sentence(uint32_t c);   // . ? !
bool punkt_closes(uint32_t c);          // quotes and brackets that belong to the sentence before them
bool punkt_no_word(uint32_t c);         // punctuation that cannot stand within a word

// The words of `text` [from, to), one by one, punctuation but periods split off. `text` must outlive this.
class PunktWords {
 public:
  PunktWords(const Points& text, size_t from, size_t to) : text_(text), to_(to), at_(from) {}
  bool next(PunktToken& token);  // false at the end

 private:
  bool is(size_t at, uint32_t c) const { return at < line_end_ && text_[at] == c; }
  bool space(size_t at) const;
  size_t run(size_t at, uint32_t c) const;
  size_t several_marks(size_t at) const;  // length of "--", ".." or ". . ." at `at`; 0 = none
  bool has_several_marks(size_t at) const;
  bool breaks(size_t at) const;
  bool word_ends(size_t at) const;

  const Points& text_;
  size_t to_, at_;
  size_t line_end_ = 0;  // no word goes beyond its line
};

}  // namespace qeval
