#include "qeval/tools/schema_check.h"

#include <fmt/format.h>

#include "qeval/text/regex.h"
#include "qeval/text/unicode.h"

#ifdef QEVAL_WITH_VALIJSON
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#endif

namespace qeval {

#ifdef QEVAL_WITH_VALIJSON

struct SchemaCheck::Impl {
  valijson::Schema schema;
  Json patterns;  // the schema as it was, for the patterns alone
};

namespace {

// Without `pattern`, which is checked apart; names of properties stay what they are.
nlohmann::json without_patterns(const Json& schema) {
  if (schema.is_array()) {
    nlohmann::json out = nlohmann::json::array();
    for (const Json& item : schema) out.push_back(without_patterns(item));
    return out;
  }
  if (!schema.is_object()) return nlohmann::json::parse(dump_json(schema));
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [key, value] : schema.items()) {
    if (key == "pattern" && value.is_string()) continue;
    if (key == "properties" && value.is_object()) {
      out[key] = nlohmann::json::object();
      for (const auto& [name, property] : value.items()) out[key][name] = without_patterns(property);
    } else if (key == "enum" || key == "const" || key == "default") {
      out[key] = nlohmann::json::parse(dump_json(value));
    } else {
      out[key] = without_patterns(value);
    }
  }
  return out;
}

std::optional<std::string> broken_pattern(const PyValue& value, const Json& schema, const std::string& place) {
  if (!schema.is_object()) return std::nullopt;
  if (value.is(PyValue::Kind::text) && schema.contains("pattern") && schema["pattern"].is_string()) {
    auto regex = Regex::compile(schema["pattern"].get<std::string>());
    auto found = regex ? regex->search(value.text) : Result<std::optional<Regex::Match>>();
    if (!regex || !found || !*found) return fmt::format("{}: does not match the pattern {}", place, schema["pattern"].get<std::string>());
  }
  if (value.is(PyValue::Kind::dict) && schema.contains("properties") && schema["properties"].is_object())
    for (const auto& [name, property] : schema["properties"].items())
      if (const PyValue* item = value.find(name))
        if (auto broken = broken_pattern(*item, property, place + "/" + name)) return broken;
  if (value.is(PyValue::Kind::list) && schema.contains("items"))
    for (size_t i = 0; i < value.items.size(); ++i)
      if (auto broken = broken_pattern(value.items[i], schema["items"], fmt::format("{}/{}", place, i))) return broken;
  return std::nullopt;
}

nlohmann::json plain_json(const PyValue& value) {
  using Kind = PyValue::Kind;
  nlohmann::json out;
  switch (value.kind) {
    case Kind::boolean: return value.truth;
    case Kind::integer: return value.text.empty() ? nlohmann::json(value.whole) : nlohmann::json(to_json(value).get<double>());
    case Kind::real: return value.number;
    case Kind::text: return value.text;
    case Kind::list:
    case Kind::tuple:
      out = nlohmann::json::array();
      for (const PyValue& item : value.items) out.push_back(plain_json(item));
      return out;
    case Kind::dict:
      out = nlohmann::json::object();
      for (size_t i = 0; i < value.keys.size(); ++i) out[value.keys[i].text] = plain_json(value.items[i]);
      return out;
    default: return out;
  }
}

}  // namespace

Result<SchemaCheck> SchemaCheck::compile(const Json& schema) {
  auto impl = std::make_shared<Impl>();
  impl->patterns = schema;
  try {
    nlohmann::json plain = without_patterns(schema);
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(plain), impl->schema);
  } catch (const std::exception& e) {
    return bad_input(fmt::format("not a JSON schema: {}", e.what()));
  }
  SchemaCheck out;
  out.impl_ = std::move(impl);
  return out;
}

std::optional<std::string> SchemaCheck::violation(const PyValue& value) const {
  try {
    nlohmann::json plain = plain_json(value);
    valijson::ValidationResults results;
    valijson::Validator validator;
    if (!validator.validate(impl_->schema, valijson::adapters::NlohmannJsonAdapter(plain), &results)) {
      valijson::ValidationResults::Error error;
      std::string what = "refused";
      // The first errors are the deepest; the last only say that a part is wrong.
      if (results.popError(error)) {
        std::string place;
        for (size_t i = 1; i < error.context.size(); ++i) place += error.context[i];
        what = fmt::format("{}: {}", place.empty() ? "/" : place, error.description);
      }
      return printable(valid_utf8(what.substr(0, 300)));
    }
  } catch (const std::exception& e) {
    return fmt::format("could not be validated: {}", e.what());
  }
  return broken_pattern(value, impl_->patterns, "");
}

#else

struct SchemaCheck::Impl {};

Result<SchemaCheck> SchemaCheck::compile(const Json&) {
  return fail(ErrorKind::environment, "this qeval was built without valijson and cannot validate JSON schemas: run scripts/get-valijson build/release/valijson and build again");
}
std::optional<std::string> SchemaCheck::violation(const PyValue&) const { return std::nullopt; }

#endif

}  // namespace qeval
