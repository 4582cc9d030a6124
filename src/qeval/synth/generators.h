#pragma once

#include <string>
#include <utility>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/random.h"

namespace qeval::synth {

// One document of a level; `index` counts from 0 within the level. Two documents with equal key() text are the same
// question: the caller asks again.
Json make_arithmetic(PyRandom& random, int level);
// `gold_position` 0..3.
Json make_choice(PyRandom& random, int level, int gold_position);
Json make_python(PyRandom& random, int level);
Json make_format(PyRandom& random, int level);
Json make_json_document(PyRandom& random, int level);

inline int between(PyRandom& random, int low, int high) { return static_cast<int>(random.randint(low, high)); }
inline bool coin(PyRandom& random) { return random.randbelow(2) == 1; }

// `n` different entries, in random order.
template <typename T>
std::vector<T> pick(PyRandom& random, const std::vector<T>& from, size_t n) {
  std::vector<T> out;
  for (size_t i : random.sample(from.size(), n)) out.push_back(from[i]);
  return out;
}

const std::vector<std::string>& people();
const std::vector<std::string>& words();

}  // namespace qeval::synth
