#include "qeval/scorer/text_class.h"

#include "qeval/scorer/lenient.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

// Ends like a sentence, a value or a closed bracket.
bool looks_complete(std::string_view text) {
  std::string bare = py_rstrip(text.substr(text.size() > 256 ? text.size() - 256 : 0));
  if (bare.empty()) return false;
  char last = bare.back();
  return (last >= '0' && last <= '9') || std::string_view(".!?)]}*`\"'$%").find(last) != std::string_view::npos ||
         (last & 0x80);
}

std::string shortened(std::string_view text) {
  std::string out = py_strip(valid_utf8(text.substr(0, 80)));
  return text.size() > 80 ? out + "…" : out;
}

}  // namespace

ClassWithReason classify_text(const TextVerdict& v) {
  const Answer& answer = v.answer;
  if (v.correct) return {FailureClass::correct, ""};
  if (answer.unfinished_thinking) return {FailureClass::unfinished_thinking, "the reasoning never ends"};
  std::string extracted = v.filtered.values.empty() ? "" : filtered_text(v.filtered.values[0]);
  bool found = !is_blank(extracted) && !(v.selective && v.filtered.fallback);
  if (found && same_value(extracted, v.gold))
    return {FailureClass::wrong_format, "'" + shortened(extracted) + "' is the expected answer in another form"};
  LenientOptions options{.without_marker = !(v.selective && found) && !answer.cut_by_length};
  LenientAnswer lenient = find_leniently(answer.text, v.gold, v.sample, options);
  if (lenient.right)
    return {FailureClass::wrong_format,
            "the text gives '" + shortened(lenient.text) + "', which the filter does not accept"};
  if (answer.cut_by_length) return {FailureClass::truncated, "cut by the token limit"};
  bool nothing = v.selective ? !found : !lenient.found && (is_blank(answer.text) || has_definite_form(v.gold));
  if (answer.cut_by_stop && nothing && !looks_complete(answer.text))
    return {FailureClass::stopped_mid_answer, "a stop string ended it early"};
  if (is_blank(answer.text)) return {FailureClass::empty_or_refusal, "empty"};
  if (!lenient.found && is_refusal(answer.text)) return {FailureClass::empty_or_refusal, "declines"};
  if (nothing) return {FailureClass::no_answer, v.filtered.note};
  return {FailureClass::wrong_answer, v.filtered.note};
}

}  // namespace qeval
