#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Where a key was written, for messages: "models/a.yaml:12: model x".
using KeyPlace = std::function<std::string(const std::string& key)>;

// Reads the keys of one YAML map into typed fields; the first wrong type and every unknown key are errors that name
// `where`, the key and what was expected. Absent keys leave the field as it is.
class FieldReader {
 public:
  FieldReader(const Json& object, KeyPlace where) : object_(object), where_(std::move(where)) {}
  FieldReader(const Json& object, const std::string& where)
      : FieldReader(object, [where](const std::string&) { return where; }) {}
  void text(const char* key, std::string& field);
  void number(const char* key, double& field);
  void integer(const char* key, int& field);
  void count(const char* key, int& field);      // an integer of 0 or more
  void amount(const char* key, double& field);  // a finite number of 0 or more
  void flag(const char* key, bool& field);
  void integers(const char* key, std::vector<int>& field);
  void texts(const char* key, std::vector<std::string>& field);
  void any(const char* key, Json& field);
  Status finish() const;

 private:
  const Json* find(const char* key);
  void complain(const char* key, const char* expected);
  const Json& object_;
  KeyPlace where_;
  std::set<std::string> known_;
  std::string first_error_;
};

}  // namespace qeval
