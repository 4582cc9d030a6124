#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "qeval/util/random.h"

namespace qeval::synth {

// A small Python function with the results it must give, computed here and not by the solution.
struct PythonFunction {
  std::string name, parameters;                            // "add_scaled", "a, b"
  std::string purpose;                                     // the docstring's text
  std::string body;                                        // indented by four, ends with a newline
  std::vector<std::pair<std::string, std::string>> cases;  // arguments and expected value, as Python literals

  void expect(const std::string& arguments, const std::string& value) { cases.emplace_back(arguments, value); }
};

using Ints = std::vector<int64_t>;

std::string py(int64_t value);
std::string py(bool value);
std::string py(const Ints& values);
std::string py(const std::vector<std::string>& values);
std::string py(const std::string& text);  // of printable ASCII without quotes and backslashes
Ints random_ints(PyRandom& random, size_t n, int64_t low, int64_t high);

PythonFunction numbers_function(PyRandom& random);   // level 1
PythonFunction lists_function(PyRandom& random);     // level 2
PythonFunction strings_function(PyRandom& random);   // level 3
PythonFunction grouping_function(PyRandom& random);  // level 4
PythonFunction dynamic_function(PyRandom& random);   // level 5

}  // namespace qeval::synth
