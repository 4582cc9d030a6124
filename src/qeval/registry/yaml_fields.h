#pragma once

#include <set>
#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// Reads the keys of one YAML map into typed fields; the first wrong type and every unknown key are errors that name
// `where`, the key and what was expected. Absent keys leave the field as it is.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}
  void text(const char* key, std::string& field);
  void number(const char* key, double& field);
  void integer(const char* key, int& field);
  void flag(const char* key, bool& field);
  void integers(const char* key, std::vector<int>& field);
  void texts(const char* key, std::vector<std::string>& field);
  void any(const char* key, Json& field);
  Status finish() const;

 private:
  const Json* find(const char* key);
  void complain(const char* key, const char* expected);
  const Json& object_;
  std::string where_;
  std::set<std::string> known_;
  std::string first_error_;
};

}  // namespace qeval
