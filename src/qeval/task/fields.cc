#include "qeval/task/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/task/hooks.h"
#include "qeval/text/python_literal.h"
#include "qeval/util/ascii.h"

namespace qeval {

bool all_digits(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_ascii_digit);
}

Result<Field> Field::compile(const Json& spec, const std::unordered_set<std::string>& columns) {
  Field field;
  if (spec.is_null()) return field;
  if (spec.is_object()) {
    field.kind_ = Kind::hook;
    field.name_ = json_string(spec, "!function");
  } else if (!spec.is_string()) {
    field.kind_ = Kind::constant;
    field.constant_ = spec;
  } else if (columns.contains(spec.get<std::string>())) {
    field.kind_ = Kind::column;
    field.name_ = spec.get<std::string>();
  } else {
    field.kind_ = Kind::text;
    QEVAL_TRY(field.template_, Template::compile(spec.get<std::string>()));
  }
  return field;
}

Result<Json> Field::value(const Json& doc) const {
  switch (kind_) {
    case Kind::none: return Json();
    case Kind::constant: return constant_;
    case Kind::hook: return run_value_hook(name_, doc);
    case Kind::column: {
      auto it = doc.find(name_);
      if (it == doc.end()) return bad_input(fmt::format("the document has no field '{}'", name_));
      return *it;
    }
    case Kind::text: break;
  }
  QEVAL_TRY(std::string text, template_->render(doc));
  return Json(std::move(text));
}

Result<Json> Field::as_text(const Json& doc, bool has_choices) const {
  QEVAL_TRY(Json out, value(doc));
  if (kind_ == Kind::text && has_choices && all_digits(out.get_ref<const std::string&>()))
    return python_literal_eval(out.get_ref<const std::string&>());
  return out;
}

Result<Json> Field::as_target(const Json& doc, bool has_choices) const {
  QEVAL_TRY(Json out, as_text(doc, has_choices));
  if (kind_ != Kind::text || !out.is_string()) return out;
  const std::string& text = out.get_ref<const std::string&>();
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return out;
  auto list = python_literal_eval(text);
  return list ? *list : out;
}

Result<std::vector<Json>> Field::as_choices(const Json& doc) const {
  QEVAL_TRY(Json out, value(doc));
  if (kind_ == Kind::text) {
    auto list = python_literal_eval(out.get_ref<const std::string&>());
    if (!list) return fail(list.error().in(fmt::format("\"{}\" is no Python list", out.get<std::string>().substr(0, 120))));
    out = std::move(*list);
  }
  if (!out.is_array()) return bad_input(fmt::format("a list was expected, not {}", dump_json(out).substr(0, 120)));
  return std::vector<Json>(out.begin(), out.end());
}

Result<std::string> Field::as_string(const Json& doc) const {
  // Few-shot samples need not have the data's columns; the text then stands for itself.
  if (kind_ == Kind::column && !doc.contains(name_)) return name_;
  QEVAL_TRY(Json out, value(doc));
  return out.is_null() ? std::string() : python_str(out);
}

}  // namespace qeval
