// Any options over any texts: no crash, no hang; equality is reflexive and symmetric and agrees with what it compares.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

#include "qeval/scorer/exact_match.h"
#include "qeval/text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace qeval;
  FuzzedDataProvider data(bytes, size);
  Json options = Json::object();
  for (const char* key : {"ignore_case", "ignore_punctuation", "ignore_numbers"})
    if (data.ConsumeBool()) options[key] = true;
  for (int n = data.ConsumeIntegralInRange(0, 3); n > 0; --n)
    options["regexes_to_ignore"].push_back(data.ConsumeBool() ? Json("(?s).*#### ")
                                                              : Json(valid_utf8(data.ConsumeRandomLengthString(30))));
  auto match = ExactMatch::compile(options, "fuzz");
  if (!match) return 0;
  std::string a = data.ConsumeRandomLengthString(4096), b = data.ConsumeRemainingBytesAsString();
  if (!match->equal(a, a) || match->equal(a, b) != match->equal(b, a)) std::abort();
  if (match->equal(a, b) != (match->normalised(a) == match->normalised(b))) std::abort();
  if (options.empty() && match->equal(a, b) != (a == b)) std::abort();
  return 0;
}
