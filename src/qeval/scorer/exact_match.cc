#include "qeval/scorer/exact_match.h"

#include "qeval/scorer/filter_steps.h"
#include "qeval/text/unicode.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

}  // namespace

Result<ExactMatch> ExactMatch::compile(const Json& options, const std::string& place) {
  StepArguments arguments(options, place);
  ExactMatch out;
  QEVAL_TRY(out.regexes_to_ignore_, arguments.patterns("regexes_to_ignore"));
  QEVAL_TRY(out.ignore_case_, arguments.boolean("ignore_case", false));
  QEVAL_TRY(out.ignore_punctuation_, arguments.boolean("ignore_punctuation", false));
  QEVAL_TRY(out.ignore_numbers_, arguments.boolean("ignore_numbers", false));
  QEVAL_CHECK(arguments.done());
  return out;
}

std::string ExactMatch::normalised(std::string_view text) const {
  std::string out(text);
  for (const Regex& regex : regexes_to_ignore_)
    if (auto rest = regex.sub("", out)) out = std::move(*rest);
  if (ignore_case_) out = py_lower(out);
  if (ignore_punctuation_) std::erase_if(out, is_ascii_punctuation);
  if (ignore_numbers_) std::erase_if(out, is_ascii_digit);
  return out;
}

bool ExactMatch::equal(std::string_view prediction, std::string_view reference) const {
  return normalised(prediction) == normalised(reference);
}

}  // namespace qeval
