#pragma once

#include <gtest/gtest.h>

#include <string>

#include "qeval/util/file.h"
#include "qeval/util/json.h"

namespace qeval {

// A golden file of tests/cases/text, written by Python.
inline Json load_cases(const std::string& name) {
  auto text = read_file(std::string(QEVAL_SOURCE_DIR) + "/tests/cases/text/" + name);
  if (!text) {
    ADD_FAILURE() << text.error().message;
    return Json();
  }
  auto json = parse_json(*text);
  if (!json) ADD_FAILURE() << name << ": " << json.error().message;
  return json ? *json : Json();
}

}  // namespace qeval
