#include "qeval/registry/yaml_fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "qeval/text/near_names.h"

namespace qeval {
namespace {

bool fits_int(const Json& v) {
  if (!v.is_number_integer()) return false;
  if (v.is_number_unsigned()) return v.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int>::max());
  int64_t value = v.get<int64_t>();
  return value >= std::numeric_limits<int>::min() && value <= std::numeric_limits<int>::max();
}

}  // namespace

const Json* FieldReader::find(const char* key) {
  known_.insert(key);
  if (!object_.is_object()) return nullptr;
  auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void FieldReader::complain(const char* key, const char* expected) {
  if (first_error_.empty())
    first_error_ = fmt::format("{}: key “{}”: {} was expected, found {}", where_(key), key, expected,
                               dump_json(object_[key]).substr(0, 80));
}

void FieldReader::text(const char* key, std::string& field) {
  const Json* v = find(key);
  if (!v) return;
  if (v->is_string())
    field = v->get<std::string>();
  else
    complain(key, "text");
}

void FieldReader::number(const char* key, double& field) {
  const Json* v = find(key);
  if (!v) return;
  if (v->is_number())
    field = v->get<double>();
  else
    complain(key, "a number");
}

void FieldReader::integer(const char* key, int& field) {
  const Json* v = find(key);
  if (!v) return;
  if (fits_int(*v))
    field = v->get<int>();
  else
    complain(key, "an integer");
}

void FieldReader::count(const char* key, int& field) {
  const Json* v = find(key);
  if (!v) return;
  if (fits_int(*v) && v->get<int>() >= 0)
    field = v->get<int>();
  else
    complain(key, "an integer of 0 or more");
}

void FieldReader::amount(const char* key, double& field) {
  const Json* v = find(key);
  if (!v) return;
  if (v->is_number() && std::isfinite(v->get<double>()) && v->get<double>() >= 0)
    field = v->get<double>();
  else
    complain(key, "a number of 0 or more");
}

void FieldReader::flag(const char* key, bool& field) {
  const Json* v = find(key);
  if (!v) return;
  if (v->is_boolean())
    field = v->get<bool>();
  else
    complain(key, "true or false");
}

void FieldReader::integers(const char* key, std::vector<int>& field) {
  const Json* v = find(key);
  if (!v) return;
  if (!v->is_array()) return complain(key, "a list of integers");
  field.clear();
  for (const Json& item : *v) {
    if (!fits_int(item)) return complain(key, "a list of integers");
    field.push_back(item.get<int>());
  }
}

void FieldReader::texts(const char* key, std::vector<std::string>& field) {
  const Json* v = find(key);
  if (!v) return;
  if (!v->is_array()) return complain(key, "a list of texts");
  field.clear();
  for (const Json& item : *v) {
    if (!item.is_string()) return complain(key, "a list of texts");
    field.push_back(item.get<std::string>());
  }
}

void FieldReader::any(const char* key, Json& field) {
  if (const Json* v = find(key)) field = *v;
}

Status FieldReader::finish() const {
  if (!object_.is_object()) return bad_input(fmt::format("{}: a map of keys was expected", where_("")));
  if (!first_error_.empty()) return bad_input(first_error_);
  for (const auto& [key, value] : object_.items()) {
    if (known_.count(key)) continue;
    return bad_input(fmt::format("{}: unknown key “{}”{}", where_(key), key,
                                 near_names(key, {known_.begin(), known_.end()})));
  }
  return {};
}

}  // namespace qeval
