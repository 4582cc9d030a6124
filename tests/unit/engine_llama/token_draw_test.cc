#include "qeval/engine/llama/token_draw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qeval/util/random.h"

namespace qeval {
namespace {

std::vector<float> random_logits(PyRandom& random, size_t n, double spread) {
  std::vector<float> out(n);
  for (float& x : out) x = static_cast<float>(std::log(random.random() + 1e-12) * spread);
  return out;
}

// The definition, over everything, in double: kept tokens in their order with their shares.
std::vector<std::pair<TokenId, double>> kept_tokens(const std::vector<float>& logits, const Sampling& s) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const float max = *std::max_element(logits.begin(), logits.end());
  auto weight = [&](TokenId id) { return std::exp((static_cast<double>(logits[static_cast<size_t>(id)]) - max) / s.temperature); };
  std::erase_if(ids, [&](TokenId id) { return weight(id) < std::max(s.min_p, std::exp(-45.0)); });
  const bool ordered = (s.top_k > 0 && static_cast<size_t>(s.top_k) < logits.size()) || s.top_p < 1 || s.min_p > 0;
  if (ordered) std::stable_sort(ids.begin(), ids.end(), [&](TokenId a, TokenId b) { return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)]; });
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < ids.size()) ids.resize(static_cast<size_t>(s.top_k));
  double total = 0, mass = 0;
  for (TokenId id : ids) total += weight(id);
  size_t kept = 0;
  while (kept < ids.size() && (kept == 0 || s.top_p >= 1 || mass < s.top_p * total)) mass += weight(ids[kept++]);
  ids.resize(kept);
  std::vector<std::pair<TokenId, double>> out;
  for (TokenId id : ids) out.push_back({id, weight(id) / mass});
  return out;
}

TEST(TokenDraw, IsTheDefinitionForEveryCut) {
  PyRandom random(11);
  TokenDraw draw;
  int n_draws = 0, n_other = 0;
  for (size_t n : {1, 3, 63, 64, 65, 1000, 20000})
    for (double spread : {0.0, 0.5, 3.0, 40.0})
      for (double temperature : {0.001, 0.1, 0.7, 1.5})
        for (auto [top_k, top_p, min_p] : {std::tuple(0, 1.0, 0.0), {20, 1.0, 0.0}, {0, 0.8, 0.0}, {20, 0.95, 0.0}, {0, 1.0, 0.1}, {5, 0.9, 0.05}, {300, 0.99, 0.0}}) {
          Sampling sampling;
          sampling.temperature = temperature;
          sampling.top_k = top_k;
          sampling.top_p = top_p;
          sampling.min_p = min_p;
          const std::vector<float> logits = random_logits(random, n, spread);
          const auto kept = kept_tokens(logits, sampling);
          for (double uniform : {0.0, random.random(), random.random(), 0.9999999}) {
            double left = uniform;
            TokenId expected = kept.back().first;
            for (const auto& [id, share] : kept)
              if ((left -= share) < 0) {
                expected = id;
                break;
              }
            const TokenId got = draw(logits.data(), n, sampling, uniform);
            ++n_draws;
            n_other += got != expected;
            EXPECT_TRUE(std::any_of(kept.begin(), kept.end(), [&](const auto& k) { return k.first == got; }))
                << n << " logits, spread " << spread << ", temperature " << temperature << ", top_k " << top_k << ", top_p " << top_p;
          }
        }
  // Sums of floats part from those of doubles in the seventh digit: a draw at a border may fall on the neighbour.
  EXPECT_LE(n_other, n_draws / 500) << "of " << n_draws;
}

TEST(TokenDraw, NeverTakesWhatIsRuledOut) {
  std::vector<float> logits(200, -INFINITY);
  logits[150] = -3;
  logits[7] = -5;
  TokenDraw draw;
  Sampling sampling;
  sampling.temperature = 5;
  for (double top_p : {1.0, 0.99}) {
    sampling.top_p = top_p;
    for (double uniform = 0; uniform < 1; uniform += 0.01) {
      const TokenId got = draw(logits.data(), logits.size(), sampling, uniform);
      EXPECT_TRUE(got == 150 || got == 7) << got;
    }
  }
}

}  // namespace
}  // namespace qeval
