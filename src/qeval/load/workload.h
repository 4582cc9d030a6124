#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/engine/engine.h"
#include "qeval/load/length_spec.h"

namespace qeval {

// A question of a level. `sample` is where it comes from, for scoring and for the record; null: made up.
struct LoadItem {
  Request request;
  std::shared_ptr<const Sample> sample;
};

// Where the questions of a level come from. Levels never share prompts, so that a prefix cache warmed by one cannot
// flatter the next. Not thread-safe.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual LoadItem item(int level, int64_t index) = 0;
  virtual std::string text() const = 0;  // for people
};

struct MadeUpOptions {
  LengthSpec prompt, output;
  double shared_prefix = 0;   // 0..1 of each prompt, common to all of a level
  uint64_t seed = 1;
  bool chat = false;          // as a conversation of one message
  double words_per_token = 1; // measured by measure_words_per_token where the engine can say
};
std::unique_ptr<Workload> made_up_workload(const MadeUpOptions& options);
// Questions that exist: of a task, or replayed from a run. From the second level on, a mark in front of the prompt keeps
// prefixes apart. `output` replaces each question's own limit where given.
std::unique_ptr<Workload> given_workload(std::vector<LoadItem> items, std::string text, std::optional<LengthSpec> output, uint64_t seed);

// How many words of made-up text make a token, by the engine's tokenizer; 1 where it has none.
double measure_words_per_token(const Engine& engine);

}  // namespace qeval
