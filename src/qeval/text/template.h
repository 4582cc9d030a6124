#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Jinja2 as lm-evaluation-harness uses it: StrictUndefined, keep_trailing_newline, Python semantics and reprs,
// str methods, list methods, filter regex_replace. Immutable and thread-safe after compile.
class Template {
 public:
  // Error (bad_input): line and what was expected.
  static Result<Template> compile(std::string_view source);
  // `variables` is an object. Bounded: steps, output bytes and recursion are limited so that hostile templates end.
  Result<std::string> render(const Json& variables) const;
  // The value of a template that is one single `{{ expression }}`, else the rendered string.
  Result<Json> evaluate(const Json& variables) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace qeval
