#include "qeval/scorer/metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "qeval/scorer/agent_score.h"
#include "qeval/scorer/filter_steps.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

struct Known {
  const char* name;
  OutputType output;
  MetricKind kind;
  Aggregation aggregation;
  bool higher_is_better;
};

constexpr Known kKnown[] = {
    {"acc", OutputType::multiple_choice, MetricKind::acc, Aggregation::mean, true},
    {"acc_norm", OutputType::multiple_choice, MetricKind::acc_norm, Aggregation::mean, true},
    {"acc_bytes", OutputType::multiple_choice, MetricKind::acc_bytes, Aggregation::mean, true},
    {"acc_mutual_info", OutputType::multiple_choice, MetricKind::acc_mutual_info, Aggregation::mean, true},
    {"mc2", OutputType::multiple_choice, MetricKind::mc2, Aggregation::mean, true},
    {"exact_match", OutputType::multiple_choice, MetricKind::choice_exact_match, Aggregation::mean, true},
    {"f1", OutputType::multiple_choice, MetricKind::f1, Aggregation::f1, true},
    {"mcc", OutputType::multiple_choice, MetricKind::mcc, Aggregation::matthews_corrcoef, true},
    {"brier_score", OutputType::multiple_choice, MetricKind::brier_score, Aggregation::mean, false},
    {"likelihood", OutputType::multiple_choice, MetricKind::likelihood, Aggregation::mean, true},
    {"acc", OutputType::loglikelihood, MetricKind::greedy, Aggregation::mean, true},
    {"perplexity", OutputType::loglikelihood, MetricKind::perplexity, Aggregation::perplexity, false},
    {"word_perplexity", OutputType::loglikelihood_rolling, MetricKind::word_perplexity,
     Aggregation::weighted_perplexity, false},
    {"byte_perplexity", OutputType::loglikelihood_rolling, MetricKind::byte_perplexity,
     Aggregation::weighted_perplexity, false},
    {"bits_per_byte", OutputType::loglikelihood_rolling, MetricKind::bits_per_byte, Aggregation::bits_per_byte, false},
    {"exact_match", OutputType::generate_until, MetricKind::exact_match, Aggregation::mean, true},
};

std::vector<std::string> defaults(OutputType type) {
  switch (type) {
    case OutputType::multiple_choice:
      return {"acc", "acc_norm"};
    case OutputType::loglikelihood:
      return {"perplexity", "acc"};
    case OutputType::loglikelihood_rolling:
      return {"word_perplexity", "byte_perplexity", "bits_per_byte"};
    case OutputType::generate_until:
      return {"exact_match"};
  }
  return {};
}

std::optional<Aggregation> aggregation_from(const std::string& name) {
  static const std::pair<const char*, Aggregation> names[] = {{"mean", Aggregation::mean},
                                                              {"nanmean", Aggregation::nanmean},
                                                              {"median", Aggregation::median},
                                                              {"perplexity", Aggregation::perplexity},
                                                              {"weighted_perplexity", Aggregation::weighted_perplexity},
                                                              {"weighted_mean", Aggregation::weighted_mean},
                                                              {"bits_per_byte", Aggregation::bits_per_byte},
                                                              {"f1", Aggregation::f1},
                                                              {"matthews_corrcoef", Aggregation::matthews_corrcoef},
                                                              {"mcc", Aggregation::matthews_corrcoef},
                                                              {"brier_score", Aggregation::mean},
                                                              {"bypass", Aggregation::bypass}};
  for (const auto& [text, value] : names)
    if (name == text) return value;
  return std::nullopt;
}

// The aggregation reads what the metric stores per doc: pairs, weighted sums or plain values.
bool fits(MetricKind kind, Aggregation aggregation) {
  bool weighted =
      kind == MetricKind::word_perplexity || kind == MetricKind::byte_perplexity || kind == MetricKind::bits_per_byte;
  bool counted = kind == MetricKind::agent || kind == MetricKind::rating || kind == MetricKind::followed;
  bool pairs = kind == MetricKind::f1 || kind == MetricKind::mcc;
  switch (aggregation) {
    case Aggregation::weighted_perplexity:
    case Aggregation::bits_per_byte:
      return weighted;
    case Aggregation::f1:
    case Aggregation::matthews_corrcoef:
      return pairs;
    case Aggregation::weighted_mean:
      return counted;
    case Aggregation::mean:
      return kind != MetricKind::rating;
    default:
      return kind != MetricKind::rating && kind != MetricKind::followed;
  }
}

bool is_followed(const std::string& name) {
  return name == "prompt_level_strict_acc" || name == "prompt_level_loose_acc" || name == "inst_level_strict_acc" ||
         name == "inst_level_loose_acc";
}
bool is_rating(const std::string& name) { return name == "rating" || name.starts_with("rating_"); }

std::string without_module(const std::string& name) {
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

// k of "pass@5" or "pass_at_5", 0 for the forms that take it from their options.
std::optional<int64_t> pass_k(const std::string& name) {
  for (std::string_view prefix : {"pass@", "pass_at_"}) {
    if (name.compare(0, prefix.size(), prefix) != 0) continue;
    std::string rest = name.substr(prefix.size());
    if (rest == "k") return 0;
    if (!rest.empty() && rest.size() < 7 &&
        std::all_of(rest.begin(), rest.end(), is_ascii_digit))
      return std::stoll(rest);
  }
  return std::nullopt;
}

Result<std::vector<int64_t>> wanted_ks(StepArguments& arguments, int64_t named) {
  Json given = arguments.any("k");
  std::vector<int64_t> ks;
  if (named > 0)
    ks.push_back(named);
  else if (given.is_null())
    ks.push_back(1);
  else if (given.is_number_integer())
    ks.push_back(given.get<int64_t>());
  else if (given.is_array() && !given.empty() &&
           std::all_of(given.begin(), given.end(), [](const Json& k) { return k.is_number_integer(); }))
    for (const Json& k : given) ks.push_back(k.get<int64_t>());
  else
    return fail(arguments.wrong("k", "a whole number or a list of them"));
  return ks;
}

Status add_pass_at_k(const MetricSpec& wanted, const TaskSpec& spec, int64_t named, const std::string& place,
                     const Metric& base, std::vector<Metric>& out) {
  if (spec.scoring.scorer != "python_tests")
    return bad_input(place + ": needs the scorer python_tests, which this task does not use");
  StepArguments arguments(wanted.options, place);
  QEVAL_TRY(std::vector<int64_t> ks, wanted_ks(arguments, named));
  QEVAL_CHECK(arguments.done());
  for (int64_t k : ks) {
    if (k < 1 || k > spec.repeats)
      return fail(arguments.wrong("k", fmt::format("1 to {}, the task's repeats; it is {}", spec.repeats, k)));
    Metric metric = base;
    metric.kind = MetricKind::pass_at_k;
    metric.k = k;
    metric.name = named > 0 ? without_module(wanted.name) : fmt::format("pass@{}", k);
    out.push_back(std::move(metric));
  }
  return {};
}

Status add_agent_metric(const MetricSpec& wanted, const TaskSpec& spec, const Metric& base, std::vector<Metric>& out) {
  if (wanted.name == "pass^k") {
    for (int64_t k : pass_powers(spec.repeats)) {
      out.push_back(base);
      out.back().kind = MetricKind::agent;
      out.back().k = k;
      out.back().name = fmt::format("pass^{}", k);
    }
    return {};
  }
  out.push_back(base);
  Metric& metric = out.back();
  metric.kind = MetricKind::agent;
  metric.higher_is_better = wanted.name == "success";
  if (wanted.name == "invalid_call_rate" || wanted.name.ends_with("_per_solved")) metric.aggregation = Aggregation::weighted_mean;
  return {};
}

std::string known_names(OutputType type, const std::string& scorer) {
  if (const auto* own = own_metrics(scorer)) {
    std::string list;
    for (const std::string& name : *own) list += (list.empty() ? "" : ", ") + name;
    return list;
  }
  std::string names;
  for (const Known& known : kKnown)
    if (known.output == type) names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  return names + (type == OutputType::generate_until ? ", pass@k, bypass" : ", bypass");
}

Status add_metric(const MetricSpec& wanted, const TaskSpec& spec, std::vector<Metric>& out) {
  std::string place = fmt::format("{}: metric_list: {}", spec.file.empty() ? spec.name : spec.file, wanted.name);
  std::string name = without_module(wanted.name);
  OutputType type = spec.scoring.output_type;
  Metric metric;
  metric.name = name;
  metric.higher_is_better = wanted.higher_is_better;
  auto named = std::find_if(std::begin(kKnown), std::end(kKnown),
                            [&](const Known& k) { return name == k.name && k.output == type; });
  std::optional<Aggregation> aggregation;
  if (!wanted.aggregation.empty()) {
    aggregation = aggregation_from(wanted.aggregation);
    if (!aggregation) return bad_input(fmt::format("{}: aggregation '{}' is not supported", place, wanted.aggregation));
  }
  metric.aggregation = aggregation.value_or(Aggregation::mean);
  if (type == OutputType::generate_until)
    if (auto k = pass_k(name)) return add_pass_at_k(wanted, spec, *k, place, metric, out);
  Json options = wanted.options.is_object() ? wanted.options : Json::object();
  options.erase("hf_evaluate");  // where the same metric comes from in lm-eval
  const auto* own = own_metrics(spec.scoring.scorer);
  if (own && std::find(own->begin(), own->end(), name) != own->end()) {
    metric.kind = MetricKind::own;
  } else if (name == "bypass") {
    metric.kind = MetricKind::bypass;
    metric.aggregation = Aggregation::bypass;
  } else if (spec.scoring.scorer == "agent" && is_agent_metric(wanted.name)) {
    return add_agent_metric(wanted, spec, metric, out);
  } else if (spec.scoring.scorer == "judge" && is_rating(name)) {
    metric.kind = MetricKind::rating;
    if (!aggregation) metric.aggregation = Aggregation::weighted_mean;
  } else if (spec.scoring.scorer == "judgement" && (name == "readable" || name == "given")) {
    metric.kind = MetricKind::judgement;
  } else if (spec.scoring.scorer == "ifeval" && is_followed(name)) {
    metric.kind = MetricKind::followed;
  } else if (named == std::end(kKnown)) {
    return bad_input(fmt::format("{}: not supported for {}; known: {}", place, to_string(type), known_names(type, spec.scoring.scorer)));
  } else {
    metric.kind = named->kind;
    metric.higher_is_better = wanted.higher_is_better && named->higher_is_better;
    if (!aggregation) metric.aggregation = named->aggregation;
  }
  if (metric.kind == MetricKind::exact_match) {
    QEVAL_TRY(ExactMatch exact, ExactMatch::compile(options, place));
    metric.exact_match = std::make_shared<const ExactMatch>(std::move(exact));
  } else {
    QEVAL_CHECK(StepArguments(options, place).done());
  }
  if (!fits(metric.kind, metric.aggregation))
    return bad_input(fmt::format("{}: aggregation '{}' does not fit this metric", place, wanted.aggregation));
  out.push_back(std::move(metric));
  return {};
}

bool is_mc2_scorer(const std::string& scorer) {
  return scorer == "mc2" || scorer == "truthfulqa_mc2" || scorer == "process_results_mc2";
}

}  // namespace

const std::vector<std::string>* own_metrics(const std::string& scorer) {
  static const std::map<std::string, std::vector<std::string>> known = {{"function_calls", {"acc"}}, {"user_turns", {"acc"}},
                                                                        {"json_schema", {"schema_valid", "exact_match"}}};
  auto it = known.find(scorer);
  return it == known.end() ? nullptr : &it->second;
}

Result<std::vector<Metric>> compile_metrics(const TaskSpec& spec) {
  const ScoringSpec& scoring = spec.scoring;
  std::string file = spec.file.empty() ? spec.name : spec.file;
  const auto* own = own_metrics(scoring.scorer);
  if (!scoring.scorer.empty() && scoring.scorer != "python_tests" && !is_mc2_scorer(scoring.scorer) &&
      scoring.scorer != "judge" && scoring.scorer != "judgement" && scoring.scorer != "ifeval" &&
      scoring.scorer != "agent" && !own)
    return bad_input(fmt::format("{}: scorer '{}' is not supported; known: python_tests, mc2, function_calls, user_turns, json_schema, agent, judge, ifeval", file, scoring.scorer));
  std::vector<MetricSpec> wanted = scoring.metrics;
  if (wanted.empty() && own)
    for (const std::string& name : *own) wanted.push_back({name, "mean", true, Json::object()});
  if (wanted.empty())
    for (const std::string& name : defaults(scoring.output_type)) {
      MetricSpec metric;
      metric.name = scoring.scorer == "python_tests" ? "pass@1" : name;
      auto known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                [&](const Known& k) { return name == k.name && k.output == scoring.output_type; });
      metric.higher_is_better = known->higher_is_better;
      wanted.push_back(std::move(metric));
    }
  std::vector<Metric> out;
  for (const MetricSpec& metric : wanted) QEVAL_CHECK(add_metric(metric, spec, out));
  if (is_mc2_scorer(scoring.scorer))
    for (Metric& metric : out)
      if (metric.kind == MetricKind::acc) metric.kind = MetricKind::mc2;
  return out;
}

}  // namespace qeval
