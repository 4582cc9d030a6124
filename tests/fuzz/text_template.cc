#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qeval/text/template.h"

// Any bytes as a template over a document with every kind of value: an answer or an error, in bounded time.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const qeval::Json kDoc = qeval::Json::parse(
      R"({"q": "What is 2+2?\n", "choices": {"text": ["a", "it's", "ü\"x"], "label": ["A", "B", "C"]}, "n": 3, "f": -0.5,
          "t": true, "none": null, "l": [1, [2, [3]]], "d": {"items": 1, "k": {}}})");
  auto compiled = qeval::Template::compile(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!compiled) return compiled.error().message.empty() ? (std::abort(), 0) : 0;
  auto first = compiled->render(kDoc);
  auto second = compiled->render(kDoc);
  if (first.has_value() != second.has_value() || (first && *first != *second)) std::abort();
  auto value = compiled->evaluate(kDoc);
  // A string that evaluate() gives is what render() prints.
  if (value && value->is_string() && first && value->get_ref<const std::string&>() != *first) std::abort();
  return 0;
}
