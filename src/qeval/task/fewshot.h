#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qeval/task/task_config.h"

namespace qeval {

using Docs = std::shared_ptr<const std::vector<Json>>;

// Which pool documents stand before each evaluated document. lm-eval draws from one stream per task in document order
// (CPython's Random(seed).sample), so the draws of document i depend on all before it: they are made once, here.
class FewshotDraws {
 public:
  struct Plan {
    std::string sampler = "default";
    size_t n_shots = 0;
    bool exclude_doc = false;   // the pool may hold the evaluated document: draw one more and drop it
    uint64_t seed = 1234;
  };
  // Draws for docs[0, n_docs). Error: the pool is too small.
  static Result<FewshotDraws> draw(const Plan& plan, Docs pool, const std::vector<Json>& docs, size_t n_docs);

  size_t n_shots(size_t doc) const { return plan_.n_shots == 0 ? 0 : draws_[doc].size(); }
  const Json& shot(size_t doc, size_t i) const { return (*pool_)[draws_[doc][i]]; }

 private:
  Plan plan_;
  Docs pool_;
  std::vector<std::vector<uint32_t>> draws_;
};

}  // namespace qeval
