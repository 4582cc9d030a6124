#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Jinja2 as lm-evaluation-harness uses it: StrictUndefined, keep_trailing_newline, Python semantics and reprs,
// str, list and dict methods, all of Jinja's filters that give the same text each time (without pprint, striptags,
// urlize, wordwrap, xmlattr, filesizeformat) and lm-eval's regex_replace; for, if, set, macro, call, filter, with, raw.
// Integers are 64 bits wide; what grows beyond is an error. Immutable and thread-safe after compile.
class Template {
 public:
  // Error (bad_input): line and what was expected.
  static Result<Template> compile(std::string_view source);
  // `variables` is an object. Bounded: ten million steps, 64 MiB of output and 1,200 levels of recursion, so that
  // hostile templates end. Error (bad_input): "template line N: …", with the name of an undefined variable.
  Result<std::string> render(const Json& variables) const;
  // The value of a template that is one single `{{ expression }}`, else the rendered string.
  Result<Json> evaluate(const Json& variables) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace qeval
