#include "qeval/task/fewshot.h"

#include <fmt/format.h>

#include "qeval/util/random.h"

namespace qeval {
namespace {

using Indices = std::vector<uint32_t>;

Indices sample(PyRandom& random, size_t n, size_t k) {
  std::vector<size_t> drawn = random.sample(n, k);
  return Indices(drawn.begin(), drawn.end());
}

// As lm-eval 0.4.13: n + 1 drawn, copies of the document dropped, the first n kept; where several copies were drawn,
// n are drawn again from the pool without any copy.
Result<Indices> draw_excluding(PyRandom& random, const std::vector<Json>& pool, const Json& doc, size_t n) {
  Indices kept;
  for (uint32_t index : sample(random, pool.size(), n + 1))
    if (pool[index] != doc && kept.size() < n) kept.push_back(index);
  if (kept.size() == n) return kept;
  Indices others;
  for (uint32_t i = 0; i < pool.size(); ++i)
    if (pool[i] != doc) others.push_back(i);
  if (others.size() < n) return bad_input(fmt::format("the few-shot pool has {} other documents, {} are needed", others.size(), n));
  Indices again = sample(random, others.size(), n);
  for (uint32_t& index : again) index = others[index];
  return again;
}

Result<Indices> first_n(const std::vector<Json>& pool, const Json* doc, size_t n) {
  Indices kept;
  for (uint32_t i = 0; i < pool.size() && kept.size() < n; ++i)
    if (!doc || pool[i] != *doc) kept.push_back(i);
  if (kept.size() < n) return bad_input(fmt::format("num_fewshot is {}, and the few-shot pool has {} documents", n, kept.size()));
  return kept;
}

}  // namespace

Result<FewshotDraws> FewshotDraws::draw(const Plan& plan, Docs pool, const std::vector<Json>& docs, size_t n_docs) {
  FewshotDraws out;
  out.plan_ = plan;
  out.pool_ = std::move(pool);
  if (plan.n_shots == 0) return out;
  const std::vector<Json>& from = *out.pool_;
  size_t needed = plan.n_shots + (plan.exclude_doc && plan.sampler == "default" ? 1 : 0);
  if (from.size() < needed)
    return bad_input(fmt::format("num_fewshot is {}: {} documents must be drawn, and the few-shot pool has {}", plan.n_shots, needed, from.size()));
  PyRandom random(plan.seed);
  out.draws_.reserve(n_docs);
  for (size_t i = 0; i < n_docs; ++i) {
    if (plan.sampler == "first_n") {
      QEVAL_TRY(Indices drawn, first_n(from, plan.exclude_doc ? &docs[i] : nullptr, plan.n_shots));
      out.draws_.push_back(std::move(drawn));
    } else if (plan.exclude_doc) {
      QEVAL_TRY(Indices drawn, draw_excluding(random, from, docs[i], plan.n_shots));
      out.draws_.push_back(std::move(drawn));
    } else {
      out.draws_.push_back(sample(random, from.size(), plan.n_shots));
    }
  }
  return out;
}

}  // namespace qeval
