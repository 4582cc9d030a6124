#include "qeval/engine/llama/token_draw.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "qeval/engine/llama/log_softmax.h"

namespace qeval {
namespace {

constexpr double kWindowNats = 45;  // e^-45 of 150,000 tokens is beyond a double's precision
constexpr double kFirstNats = 4;    // where the search for top_p's set begins

bool likelier(const std::pair<float, TokenId>& a, const std::pair<float, TokenId>& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

}  // namespace

float TokenDraw::below(double nats) const { return static_cast<float>(max_ - nats / inverse_t_); }
double TokenDraw::mass_of_candidates() const {
  double out = 0;
  for (const Candidate& candidate : candidates_) out += weight(candidate.first);
  return out;
}
double TokenDraw::weight(float logit) const { return std::exp((static_cast<double>(logit) - max_) * inverse_t_); }

TokenId TokenDraw::operator()(const float* logits, size_t n, const Sampling& sampling, double uniform) {
  logits_ = logits;
  n_ = n;
  inverse_t_ = 1 / sampling.temperature;
  block_max_.resize((n + kRowBlock - 1) / kRowBlock);
  block_maxima(logits, n, block_max_.data());
  max_ = block_max_.empty() ? -INFINITY : *std::max_element(block_max_.begin(), block_max_.end());
  if (!std::isfinite(max_)) return 0;
  const bool cut = sampling.min_p > 0 || sampling.top_p < 1 || (sampling.top_k > 0 && static_cast<size_t>(sampling.top_k) < n);
  return cut ? by_likelihood(sampling, uniform) : by_id(uniform);
}

double TokenDraw::sum_blocks(float floor) {
  block_mass_.assign(block_max_.size(), 0);
  double total = 0;
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (block_max_[b] < floor) continue;
    block_mass_[b] = block_mass(logits_ + b * kRowBlock, std::min(kRowBlock, n_ - b * kRowBlock), max_, static_cast<float>(inverse_t_));
    total += block_mass_[b];
  }
  return total;
}

TokenId TokenDraw::by_id(double uniform) {
  const float floor = below(kWindowNats);
  double left = uniform * sum_blocks(floor);
  size_t block = 0;  // the last with any mass, should rounding lead past it
  for (size_t b = 0; b < block_mass_.size(); ++b) {
    if (block_mass_[b] <= 0) continue;
    block = b;
    if (left < block_mass_[b]) break;
    left -= block_mass_[b];
  }
  TokenId out = 0;
  for (size_t i = block * kRowBlock; i < std::min(n_, (block + 1) * kRowBlock); ++i) {
    if (logits_[i] < floor) continue;
    out = static_cast<TokenId>(i);
    left -= weight(logits_[i]);
    if (left < 0) break;
  }
  return out;
}

void TokenDraw::collect(float floor) {
  candidates_.clear();
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (block_max_[b] < floor) continue;
    for (size_t i = b * kRowBlock; i < std::min(n_, (b + 1) * kRowBlock); ++i)
      if (logits_[i] >= floor) candidates_.push_back({logits_[i], static_cast<TokenId>(i)});
  }
}

// At least k tokens are as likely as the k-th best of the blocks' best, so none of the top k lies below it.
float TokenDraw::top_k_floor(size_t k) {
  if (k > block_max_.size()) return -INFINITY;
  block_order_ = block_max_;
  std::nth_element(block_order_.begin(), block_order_.begin() + static_cast<std::ptrdiff_t>(k - 1), block_order_.end(), std::greater<>());
  return block_order_[k - 1];
}

TokenId TokenDraw::by_likelihood(const Sampling& sampling, double uniform) {
  const size_t k = sampling.top_k > 0 ? static_cast<size_t>(sampling.top_k) : n_;
  float lowest = below(sampling.min_p > 0 ? std::min(kWindowNats, -std::log(sampling.min_p)) : kWindowNats);
  if (k < n_) lowest = std::max(lowest, top_k_floor(k));
  double total = 0;
  if (k < n_ || sampling.min_p > 0) {
    collect(lowest);
    if (k < candidates_.size()) {
      std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end(), likelier);
      candidates_.resize(k);
    }
    total = mass_of_candidates();
  } else {
    // The likeliest few nats hold top_p of the mass as a rule: no more is sorted than is needed.
    total = sum_blocks(lowest);
    for (double nats = kFirstNats;; nats *= 2) {
      collect(std::max(lowest, below(nats)));
      if (nats >= kWindowNats || mass_of_candidates() >= sampling.top_p * total) break;
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), likelier);
  size_t kept = 0;
  double mass = 0;
  while (kept < candidates_.size() && (kept == 0 || sampling.top_p >= 1 || mass < sampling.top_p * total)) mass += weight(candidates_[kept++].first);
  double left = uniform * mass;
  for (size_t i = 0; i < kept; ++i)
    if ((left -= weight(candidates_[i].first)) < 0) return candidates_[i].second;
  return candidates_.front().second;
}

}  // namespace qeval
