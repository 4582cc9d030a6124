#pragma once

#include <string>
#include <string_view>

#include "qeval/core/sample.h"

namespace qeval {

// What a reader would take for the answer, whatever the protocol's filter thinks. For failure classes only: it tells a
// right answer in a wrong form from a wrong one, and never makes a score.
struct LenientAnswer {
  bool found = false;
  bool right = false;
  std::string text;  // as read
};

struct LenientOptions {
  // Without a marker too: the last number, a letter in brackets or alone on a line, the one choice whose text occurs.
  // Off where the protocol found an answer itself, or the text was cut, because then they prove nothing.
  bool without_marker = true;
};

// Looks for the last marked answer: "#### x", "answer is x", "Answer: x", \boxed{x}. A gold that is a number is
// compared as one ($, thousands separators, units and a final period ignored), a gold that is a letter also through the
// text of its choice, any other by its words. Reads the first and last 64 KiB of `text` only, in linear time.
LenientAnswer find_leniently(std::string_view text, std::string_view gold, const Sample& sample,
                             const LenientOptions& options);

// Whether an extracted value is the gold in another form: "$1,234.00" and "1234", "(b)" and "B".
bool same_value(std::string_view extracted, std::string_view gold);

// The gold is a number or the letter of a choice, so that an answer without either holds no answer.
bool has_definite_form(std::string_view gold);

}  // namespace qeval
