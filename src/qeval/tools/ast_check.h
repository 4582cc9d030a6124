#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/tools/calls.h"
#include "qeval/util/json.h"

namespace qeval {

// BFCL v4's verdict on the calls of one answer, rule for rule (ast_checker of the package bfcl-eval 2026.3.23).
//   simple: one call; multiple: one call of several functions; parallel: as many calls as accepted ones, matched
//   greedily in the order of the accepted ones.
//   Parameters: required ones present, none unknown, those left out accepted as "". Types exact: a bool is no int, 5.0
//   is no int, an int stands for a float; a value that is typed like the accepted ones passes as a variable. Texts are
//   compared lower-case without spaces and , . / - _ * ^ and with ' as "; lists with their order; dicts key by key.
//   Java and JavaScript: values are source text, converted by the declared type first.
// Answers on which the package itself raises an error fail.
enum class CallCategory { simple, multiple, parallel };
enum class CallLanguage { python, java, javascript };
std::optional<CallCategory> call_category_from(std::string_view name);
std::optional<CallLanguage> call_language_from(std::string_view name);

struct AstCheck {
  CallCategory category = CallCategory::simple;
  CallLanguage language = CallLanguage::python;
  bool underscored_names = false;  // the functions were offered with '_' for '.', as servers demand
};

// `functions`: the docs as the benchmark has them; `accepted`: [{name: {parameter: [accepted values]}}].
// nullopt = right; else the class and what was found. Thread-safe.
std::optional<CallFault> check_calls(const AstCheck& check, const Json& functions, const std::vector<Call>& calls,
                                     const Json& accepted);

std::string underscored(std::string name);  // every '.' as '_'

// A Java or JavaScript literal by its declared type, as the package converts it; source text where it does not fit.
// nullopt: the type has no conversion.
std::optional<PyValue> java_value(const std::string& source, const std::string& type, const std::string& item_type);
std::optional<PyValue> javascript_value(const std::string& source, const std::string& type, const std::string& item_type);

}  // namespace qeval
