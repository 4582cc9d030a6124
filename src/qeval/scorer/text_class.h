#pragma once

#include <string>
#include <string_view>

#include "qeval/core/failure_class.h"
#include "qeval/core/sample.h"
#include "qeval/scorer/answer.h"
#include "qeval/scorer/filter.h"

namespace qeval {

// Everything that decides the class of one generated answer under one filter.
struct TextVerdict {
  const Answer& answer;
  const Filtered& filtered;
  bool selective = false;  // the filter cuts an answer out (regex), rather than passing the text on
  bool correct = false;    // by the primary metric
  std::string_view gold;   // after the metric's own simplification
  const Sample& sample;
};
struct ClassWithReason {
  FailureClass failure_class = FailureClass::wrong_answer;
  std::string explanation;
};

// In this order, the first that holds:
//   correct             by the metric, whatever else is odd
//   unfinished_thinking the end of the reasoning never came
//   wrong_format        a reader finds the gold: in the extracted value in another form; behind the last marker of an
//                       answer in the text; or, where the filter found nothing and the text is whole, without a marker
//   truncated           the token limit ended it
//   stopped_mid_answer  a stop string ended it, nothing could be extracted and it is empty or breaks off mid-sentence
//   empty_or_refusal    blank, or begins by declining and holds no answer
//   no_answer           the filter found nothing, or the gold is a number or a letter and the text holds none
//   wrong_answer        the rest
ClassWithReason classify_text(const TextVerdict& verdict);

}  // namespace qeval
