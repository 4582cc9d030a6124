#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "qeval/text/template.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// A doc_to_text, doc_to_target, doc_to_choice, gen_prefix or description, compiled once: a column's name, a template,
// an integer, a list or a hook, told apart as lm-eval does (by the evaluated data's columns). Thread-safe.
class Field {
 public:
  Field() = default;
  // `columns`: of the evaluated split. Error: the template's.
  static Result<Field> compile(const Json& spec, const std::unordered_set<std::string>& columns);

  bool empty() const { return kind_ == Kind::none; }
  // lm-eval's doc_to_text: text, or an integer where the task has choices and the text is digits.
  Result<Json> as_text(const Json& doc, bool has_choices) const;
  // doc_to_target: as text, and "[…]" becomes a list.
  Result<Json> as_target(const Json& doc, bool has_choices) const;
  // doc_to_choice: a list; a template is read back as a Python literal.
  Result<std::vector<Json>> as_choices(const Json& doc) const;
  // gen_prefix and description: text; "" where null.
  Result<std::string> as_string(const Json& doc) const;

 private:
  enum class Kind { none, constant, column, text, hook };
  Result<Json> value(const Json& doc) const;

  Kind kind_ = Kind::none;
  Json constant_;
  std::string name_;                        // column or hook
  std::optional<Template> template_;
};

bool all_digits(const std::string& text);   // not empty, ASCII digits only

}  // namespace qeval
