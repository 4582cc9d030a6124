#pragma once

#include <memory>
#include <optional>
#include <string>

#include "qeval/text/python_value.h"
#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Validates JSON values against a JSON Schema (draft 7) with valijson; `pattern` is checked with PCRE2 under
// `properties` and `items` (valijson's std::regex overflows the stack on long texts). Immutable, thread-safe.
class SchemaCheck {
 public:
  // Error: bad_input for a schema that cannot be read, environment where qeval was built without valijson.
  static Result<SchemaCheck> compile(const Json& schema);
  // What the schema refuses, with its place in the value ("/crew/0/age: …"); nullopt = valid.
  std::optional<std::string> violation(const PyValue& value) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace qeval
