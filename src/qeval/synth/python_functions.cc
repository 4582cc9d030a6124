#include <fmt/format.h>

#include "qeval/synth/generators.h"
#include "qeval/synth/python_parts.h"

namespace qeval::synth {

std::string py(int64_t value) { return std::to_string(value); }
std::string py(bool value) { return value ? "True" : "False"; }
std::string py(const std::string& text) { return "'" + text + "'"; }

std::string py(const Ints& values) {
  std::string out = "[";
  for (size_t i = 0; i < values.size(); ++i) out += (i ? ", " : "") + std::to_string(values[i]);
  return out + "]";
}

std::string py(const std::vector<std::string>& values) {
  std::string out = "[";
  for (size_t i = 0; i < values.size(); ++i) out += (i ? ", " : "") + py(values[i]);
  return out + "]";
}

Ints random_ints(PyRandom& random, size_t n, int64_t low, int64_t high) {
  Ints out;
  for (size_t i = 0; i < n; ++i) out.push_back(random.randint(low, high));
  return out;
}

namespace {

PythonFunction make_function(PyRandom& random, int level) {
  switch (level) {
    case 1:
      return numbers_function(random);
    case 2:
      return lists_function(random);
    case 3:
      return strings_function(random);
    case 4:
      return grouping_function(random);
    default:
      return dynamic_function(random);
  }
}

}  // namespace

Json make_python(PyRandom& random, int level) {
  PythonFunction f = make_function(random, level);
  // Where both examples give the same, a constant might pass the tests.
  while (f.cases[0].second == f.cases[1].second) f = make_function(random, level);
  std::string prompt = fmt::format("def {}({}):\n    \"\"\"{}\n", f.name, f.parameters, f.purpose);
  for (size_t i = 0; i < 2; ++i)
    prompt += fmt::format("    >>> {}({})\n    {}\n", f.name, f.cases[i].first, f.cases[i].second);
  prompt += "    \"\"\"\n";
  std::string test = "def check(candidate):\n";
  for (const auto& [arguments, value] : f.cases)
    test += fmt::format("    assert candidate({}) == {}\n", arguments, value);
  return {
      {"level", level}, {"prompt", prompt}, {"canonical_solution", f.body}, {"test", test}, {"entry_point", f.name}};
}

}  // namespace qeval::synth
