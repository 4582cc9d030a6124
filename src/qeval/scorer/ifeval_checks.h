#pragma once

// Inner seam of the IFEval checks: each decides one kind of instruction on one text.

#include <optional>
#include <string>
#include <string_view>

#include "qeval/scorer/ifeval.h"

namespace qeval {

// Arguments of one instruction; errors name id and argument.
class IfevalArguments {
 public:
  IfevalArguments(const IfevalInstruction& instruction) : instruction_(instruction) {}
  Result<std::string> text(const char* key) const;
  Result<int64_t> integer(const char* key) const;
  Result<std::vector<std::string>> texts(const char* key) const;
  // "less than" or "at least" under `key`, applied to `found` and the whole number under `than`.
  Result<bool> compare(const char* key, const char* than, int64_t found) const;
  Error wrong(const char* key, const char* expected) const;

 private:
  const Json& at(const char* key) const;
  const IfevalInstruction& instruction_;
};

struct IfevalText {
  std::string_view text;
  const IfevalModels& models;
};
using IfevalCheck = Result<bool> (*)(const IfevalArguments&, const IfevalText&);
struct IfevalKind {
  const char* id;
  IfevalCheck check;
};

// Keywords, lengths, languages and cases; layout and format. Null-terminated by id.
const IfevalKind* ifeval_word_kinds();
const IfevalKind* ifeval_form_kinds();

// Whether Python's json.loads takes the text: NaN and Infinity too, no control characters in strings, at most 4,300
// digits in a whole number, 990 levels. Linear, without building anything.
bool is_python_json(std::string_view text);

}  // namespace qeval
