#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// The four files of one language in NLTK's punkt_tab.
struct PunktFiles {
  std::string abbrev_types, collocations, sent_starters, ortho_context;
};

// Splits text into sentences as NLTK 3.10's Punkt tokenizer does with trained parameters: Kiss and Strunk (2006),
// "Unsupervised Multilingual Sentence Boundary Detection". Immutable and thread-safe after load; linear in the text.
class SentenceSplitter {
 public:
  // Error (bad_input): which file, line and what was expected.
  static Result<SentenceSplitter> load(const PunktFiles& files);
  // In order, without the white space between them. Invalid UTF-8 is read as valid_utf8() makes it.
  std::vector<std::string> split(std::string_view text) const;

 private:
  struct Parameters;
  std::shared_ptr<const Parameters> parameters_;
};

// NLTK 3.10's word_tokenize (an extended Treebank tokenizer) of one sentence. Error: a pattern gave up.
Result<std::vector<std::string>> treebank_words(std::string_view sentence);

}  // namespace qeval
