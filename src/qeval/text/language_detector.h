#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// The language of a text by naive Bayes over character n-grams, with the algorithm, profiles and random draws of the
// Python package langdetect 1.0.9 (a port of Nakatani Shuyo's language-detection) where its seed is fixed. Immutable
// and thread-safe after load.
class LanguageDetector {
 public:
  // `profiles`: name of the file and its JSON ({"freq": {n-gram: count}, "n_words": [3 totals], "name": code}), as in
  // the package's folder `profiles`. `messages`: its utils/messages.properties, for the groups of Chinese characters
  // that count as one; "" = every character counts as itself. Error (bad_input): file and what was expected.
  static Result<LanguageDetector> load(const std::vector<std::pair<std::string, std::string>>& profiles,
                                       std::string_view messages);
  // Code of the likeliest language ("en", "zh-cn"), "unknown" where none stands out, nullopt where the text has no
  // n-gram that any profile knows. Reads the first 10,000 characters. `seed` as for Python's random.seed.
  std::optional<std::string> detect(std::string_view text, uint64_t seed = 0) const;

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace qeval
