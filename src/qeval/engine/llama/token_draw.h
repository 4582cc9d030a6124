#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "qeval/core/request.h"

namespace qeval {

// Draws one token after another from rows of logits; keeps its buffers between rows. Not thread-safe.
class TokenDraw {
 public:
  // From softmax(logits / temperature) of `n` logits, cut by min_p, then top_k, then top_p (the smallest set of the most
  // likely tokens whose mass reaches it). temperature > 0; -inf is never drawn. `uniform` in [0, 1) decides: it walks the
  // kept tokens by id, with top_k or top_p from the most likely on. Tokens 45 nats below the best count as impossible.
  TokenId operator()(const float* logits, size_t n, const Sampling& sampling, double uniform);

 private:
  using Candidate = std::pair<float, TokenId>;  // logit

  TokenId by_id(double uniform);
  TokenId by_likelihood(const Sampling& sampling, double uniform);
  void collect(float floor);
  double sum_blocks(float floor);
  double mass_of_candidates() const;
  double weight(float logit) const;  // 1 for the best
  float below(double nats) const;    // the logit that is so much less likely than the best
  float top_k_floor(size_t k);

  const float* logits_ = nullptr;
  size_t n_ = 0;
  float max_ = 0;
  double inverse_t_ = 1;
  std::vector<float> block_max_, block_order_;
  std::vector<double> block_mass_;
  std::vector<Candidate> candidates_;
};

}  // namespace qeval
