#include <algorithm>
#include <cmath>
#include <map>

#include "qeval/scorer/metric.h"
#include "qeval/stats/moments.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

struct Likelihoods {
  std::vector<double> plain, by_points, by_bytes, mutual;
  std::vector<double> softmax;
};

std::vector<double> softmax_of(const std::vector<double>& values) {
  double top = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  std::vector<double> out;
  for (double v : values) out.push_back(std::exp(v - top));
  double sum = sorted_sum(out);
  for (double& v : out) v /= sum;
  return out;
}

Likelihoods likelihoods_of(const Sample& sample, const std::vector<Response>& conditional,
                           const std::vector<Response>& unconditional) {
  Likelihoods out;
  for (size_t i = 0; i < conditional.size(); ++i) {
    std::string_view choice = i < sample.choices.size() ? std::string_view(sample.choices[i]) : std::string_view();
    double ll = conditional[i].logprob_nats;
    out.plain.push_back(ll);
    out.by_points.push_back(ll / static_cast<double>(n_code_points(choice)));
    out.by_bytes.push_back(ll / static_cast<double>(choice.size()));
    if (i < unconditional.size()) out.mutual.push_back(ll - unconditional[i].logprob_nats);
  }
  out.softmax = softmax_of(out.plain);
  return out;
}

bool cannot_rank(const std::vector<double>& lls) {
  if (std::any_of(lls.begin(), lls.end(), [](double v) { return !std::isfinite(v); })) return true;
  return lls.size() > 1 && std::all_of(lls.begin(), lls.end(), [&](double v) { return v == lls[0]; });
}

bool contains(const std::vector<int>& gold, int index) {
  return std::find(gold.begin(), gold.end(), index) != gold.end();
}

double brier(const std::vector<double>& probabilities, const std::vector<int>& gold) {
  double sum = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    double truth = !gold.empty() && static_cast<int>(i) == gold[0] ? 1 : 0;
    sum += (probabilities[i] - truth) * (probabilities[i] - truth);
  }
  return sum;
}

double share_of_gold(const std::vector<double>& probabilities, const std::vector<int>& gold) {
  double sum = 0;
  for (size_t i = 0; i < probabilities.size(); ++i)
    if (contains(gold, static_cast<int>(i))) sum += probabilities[i];
  return sum;
}

bool greedy_gold(const std::vector<Response>& responses, const std::vector<int>& gold) {
  for (size_t i = 0; i < responses.size(); ++i)
    if (contains(gold, static_cast<int>(i)) && responses[i].is_greedy) return true;
  return false;
}

double likelihood_of_gold(const std::vector<double>& lls, const std::vector<int>& gold) {
  double sum = 0;
  for (size_t i = 0; i < lls.size(); ++i)
    if (contains(gold, static_cast<int>(i))) sum += std::exp(lls[i]);
  return sum;
}

}  // namespace

int numpy_argmax(const std::vector<double>& values) {
  int best = -1;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return static_cast<int>(i);
    if (best < 0 || values[i] > values[static_cast<size_t>(best)]) best = static_cast<int>(i);
  }
  return best;
}

int64_t n_split_words(std::string_view text) {
  int64_t runs = 0;
  bool in_space = false;
  for (uint32_t point : code_points(text)) {
    bool space = py_is_space(point);
    runs += space && !in_space;
    in_space = space;
  }
  return runs + 1;
}

ChoiceScore score_choices(const std::vector<Metric>& metrics, const Sample& sample,
                          const std::vector<Response>& conditional, const std::vector<Response>& unconditional) {
  Likelihoods ll = likelihoods_of(sample, conditional, unconditional);
  ChoiceScore out;
  out.prediction = numpy_argmax(ll.plain);
  out.prediction_norm = numpy_argmax(ll.by_points);
  out.degenerate = cannot_rank(ll.plain);
  auto hit = [&](int index) { return contains(sample.gold, index) ? 1.0 : 0.0; };
  for (const Metric& metric : metrics) {
    double value = 0;
    switch (metric.kind) {
      case MetricKind::acc:
        value = hit(out.prediction);
        break;
      case MetricKind::acc_norm:
        value = hit(out.prediction_norm);
        break;
      case MetricKind::acc_bytes:
        value = hit(numpy_argmax(ll.by_bytes));
        break;
      case MetricKind::acc_mutual_info:
        if (ll.mutual.size() != ll.plain.size()) continue;
        value = hit(numpy_argmax(ll.mutual));
        break;
      case MetricKind::mc2:
        value = share_of_gold(ll.softmax, sample.gold);
        break;
      case MetricKind::choice_exact_match:
        value = greedy_gold(conditional, sample.gold) ? 1 : 0;
        break;
      case MetricKind::brier_score:
        value = brier(ll.softmax, sample.gold);
        break;
      case MetricKind::likelihood:
        value = likelihood_of_gold(ll.plain, sample.gold);
        break;
      case MetricKind::f1:
      case MetricKind::mcc:
        value = hit(out.prediction);
        out.pairs[metric.name] = Json::array({sample.gold.empty() ? -1 : sample.gold[0], out.prediction});
        break;
      default:
        continue;
    }
    // One that is not finite would empty every mean it enters.
    out.metrics.emplace_back(metric.name, std::isfinite(value) ? value : 0);
  }
  return out;
}

double f1_of_pairs(const std::vector<std::pair<int64_t, int64_t>>& pairs) {
  double both = 0, gold = 0, predicted = 0;
  for (const auto& [g, p] : pairs) {
    both += g == 1 && p == 1;
    gold += g == 1;
    predicted += p == 1;
  }
  return gold + predicted == 0 ? 0 : 2 * both / (gold + predicted);
}

double matthews_of_pairs(const std::vector<std::pair<int64_t, int64_t>>& pairs) {
  std::map<int64_t, std::pair<double, double>> counts;  // class → times gold, times predicted
  double right = 0, n = static_cast<double>(pairs.size());
  for (const auto& [g, p] : pairs) {
    ++counts[g].first;
    ++counts[p].second;
    right += g == p;
  }
  double cross = 0, gold_square = 0, predicted_square = 0;
  for (const auto& [label, count] : counts) {
    cross += count.first * count.second;
    gold_square += count.first * count.first;
    predicted_square += count.second * count.second;
  }
  double denominator = std::sqrt((n * n - gold_square) * (n * n - predicted_square));
  return denominator == 0 ? 0 : (right * n - cross) / denominator;
}

}  // namespace qeval
