#include "qeval/scorer/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/scorer/agent_score.h"
#include "qeval/scorer/answer.h"
#include "qeval/scorer/filter.h"
#include "qeval/scorer/function_calls.h"
#include "qeval/scorer/json_answers.h"
#include "qeval/scorer/ifeval.h"
#include "qeval/scorer/judged.h"
#include "qeval/scorer/metric.h"
#include "qeval/scorer/python_tests.h"
#include "qeval/scorer/text_class.h"
#include "qeval/scorer/user_turns_score.h"

namespace qeval {
namespace {

std::vector<std::string> filter_names(const TaskSpec& spec) {
  std::vector<std::string> names;
  for (const FilterPipeline& pipeline : spec.scoring.filters) names.push_back(pipeline.name);
  if (names.empty()) names.push_back("none");
  return names;
}

std::vector<Score> for_each_filter(const std::vector<std::string>& names, const Score& score) {
  std::vector<Score> out;
  for (const std::string& name : names) {
    out.push_back(score);
    out.back().filter = name;
  }
  return out;
}

Score engine_failure(const std::string& reason) {
  Score out;
  out.failure_class = FailureClass::engine_failure;
  out.explanation = reason;
  out.details = {{"engine_failure", reason}};
  return out;
}

const double* value_of(const Score& score, const std::string& metric) {
  for (const auto& [name, value] : score.metrics)
    if (name == metric) return &value;
  return nullptr;
}

// Base: what all scorers share. A doc with a response missing or failed is not scored.
class BaseScorer : public Scorer {
 public:
  BaseScorer(const TaskSpec& spec, std::vector<Metric> metrics)
      : scoring_(spec.scoring),
        metrics_(std::move(metrics)),
        filters_(filter_names(spec)),
        primary_(primary_metric(spec).first) {}
  std::string backend() const override { return ""; }
  std::vector<Score> score(const Sample& sample, const std::vector<Response>& responses) const override {
    std::string fault = engine_fault(responses);
    if (fault.empty() && responses.size() < std::max<size_t>(1, sample.requests.size()))
      fault =
          fmt::format("{} of {} responses are missing", std::max<size_t>(1, sample.requests.size()) - responses.size(),
                      std::max<size_t>(1, sample.requests.size()));
    if (!fault.empty()) return for_each_filter(filters_, engine_failure(fault));
    return score_answered(sample, responses);
  }

 protected:
  virtual std::vector<Score> score_answered(const Sample& sample, const std::vector<Response>& responses) const = 0;

  ScoringSpec scoring_;
  std::vector<Metric> metrics_;
  std::vector<std::string> filters_;
  std::string primary_;
};

class ChoiceScorer : public BaseScorer {
 public:
  using BaseScorer::BaseScorer;

 private:
  std::vector<Score> score_answered(const Sample& sample, const std::vector<Response>& responses) const override {
    size_t n =
        sample.choices.empty() || sample.choices.size() > responses.size() ? responses.size() : sample.choices.size();
    auto middle = responses.begin() + static_cast<ptrdiff_t>(n);
    std::vector<Response> conditional(responses.begin(), middle), rest(middle, responses.end());
    bool wants_mutual = std::any_of(metrics_.begin(), metrics_.end(),
                                    [](const Metric& m) { return m.kind == MetricKind::acc_mutual_info; });
    if (wants_mutual && rest.size() != n)
      return for_each_filter(filters_, engine_failure("acc_mutual_info: log-likelihoods without context are missing"));
    ChoiceScore choice = score_choices(metrics_, sample, conditional, rest);
    Score out;
    out.metrics = std::move(choice.metrics);
    out.details = {{"prediction", choice.prediction}, {"prediction_norm", choice.prediction_norm}};
    if (!choice.pairs.is_null()) out.details["pairs"] = std::move(choice.pairs);
    int shown = primary_ == "acc_norm" ? choice.prediction_norm : choice.prediction;
    if (shown >= 0 && static_cast<size_t>(shown) < sample.choices.size())
      out.extracted = sample.choices[static_cast<size_t>(shown)];
    const double* primary = value_of(out, primary_);
    out.failure_class = primary && *primary > 0.5 ? FailureClass::correct : FailureClass::wrong_answer;
    if (choice.degenerate) {
      out.failure_class = FailureClass::degenerate;
      out.explanation = "the log-likelihoods of the choices are all equal or not finite";
    } else if (!gold_in_range(sample, n)) {
      out.explanation = "the doc's right choice is not one of its choices";
    }
    return for_each_filter(filters_, out);
  }

  static bool gold_in_range(const Sample& sample, size_t n) {
    return !sample.gold.empty() && std::all_of(sample.gold.begin(), sample.gold.end(),
                                               [&](int g) { return g >= 0 && static_cast<size_t>(g) < n; });
  }
};

class LikelihoodScorer : public BaseScorer {
 public:
  using BaseScorer::BaseScorer;

 private:
  std::vector<Score> score_answered(const Sample& sample, const std::vector<Response>& responses) const override {
    const Response& response = responses[0];
    double ll = response.logprob_nats;
    Score out;
    bool rolling = scoring_.output_type == OutputType::loglikelihood_rolling;
    out.failure_class = rolling || response.is_greedy ? FailureClass::correct : FailureClass::wrong_answer;
    if (!std::isfinite(ll)) {
      out.failure_class = FailureClass::degenerate;
      out.explanation = "the log-likelihood is not finite";
      return for_each_filter(filters_, out);
    }
    const auto* text = sample.requests.empty() ? nullptr : std::get_if<std::string>(&sample.requests[0].prompt);
    std::string_view counted =
        sample.target.empty() && text ? std::string_view(*text) : std::string_view(sample.target);
    for (const Metric& metric : metrics_) add(metric, ll, response.is_greedy, counted, out);
    return for_each_filter(filters_, out);
  }

  static void add(const Metric& metric, double ll, bool greedy, std::string_view text, Score& out) {
    auto weighted = [&](double units, double value) {
      out.details["weighted"][metric.name] = Json::array({ll, units});
      out.metrics.emplace_back(metric.name, value);
    };
    double bytes = static_cast<double>(text.size());
    if (metric.kind == MetricKind::greedy) out.metrics.emplace_back(metric.name, greedy ? 1 : 0);
    if (metric.kind == MetricKind::perplexity) out.metrics.emplace_back(metric.name, ll);
    if (metric.kind == MetricKind::word_perplexity) {
      double words = static_cast<double>(n_split_words(text));
      weighted(words, std::exp(-ll / words));
    }
    if (bytes == 0) return;
    if (metric.kind == MetricKind::byte_perplexity) weighted(bytes, std::exp(-ll / bytes));
    if (metric.kind == MetricKind::bits_per_byte) weighted(bytes, -ll / bytes / std::log(2.0));
  }
};

class TextScorer : public BaseScorer {
 public:
  TextScorer(const TaskSpec& spec, std::vector<Metric> metrics, std::vector<FilterChain> chains)
      : BaseScorer(spec, std::move(metrics)), chains_(std::move(chains)) {}

 private:
  std::vector<Score> score_answered(const Sample& sample, const std::vector<Response>& responses) const override {
    std::vector<Answer> answers;
    std::vector<std::string> texts;
    for (const Response& response : responses) {
      answers.push_back(prepare_answer(response, scoring_, sample));
      texts.push_back(answers.back().text);
    }
    std::vector<Score> out;
    for (const FilterChain& chain : chains_) out.push_back(score_chain(chain, sample, answers[0], texts));
    return out;
  }

  static std::vector<std::string> references(const Sample& sample) {
    return sample.references.empty() ? std::vector<std::string>{sample.target} : sample.references;
  }

  // Share of the values that equal any reference; one value without repeats.
  static double exact_match(const Metric& metric, const Filtered& filtered,
                            const std::vector<std::string>& references) {
    std::vector<std::string> wanted;
    for (const std::string& reference : references) wanted.push_back(metric.exact_match->normalised(reference));
    double hits = 0;
    for (const Json& value : filtered.values) {
      if (value.is_null()) continue;  // a map's missing default equals nothing
      std::string got = metric.exact_match->normalised(filtered_text(value));
      hits += std::find(wanted.begin(), wanted.end(), got) != wanted.end();
    }
    return filtered.values.empty() ? 0 : hits / static_cast<double>(filtered.values.size());
  }

  Score score_chain(const FilterChain& chain, const Sample& sample, const Answer& answer,
                    const std::vector<std::string>& texts) const {
    Filtered filtered = chain.apply(texts, sample);
    std::vector<std::string> accepted = references(sample);
    Score out;
    out.filter = chain.name();
    out.extracted = filtered.values.empty() ? "" : filtered_text(filtered.values[0]);
    const ExactMatch* simplify = nullptr;
    for (const Metric& metric : metrics_) {
      if (metric.kind != MetricKind::exact_match) continue;
      if (metric.name == primary_ || !simplify) simplify = metric.exact_match.get();
      out.metrics.emplace_back(metric.name, exact_match(metric, filtered, accepted));
    }
    const double* primary = value_of(out, primary_);
    // Without a metric only the form can be judged.
    bool correct =
        primary ? *primary >= 0.5 : !answer.cut_by_length && !answer.unfinished_thinking && !is_blank(answer.text);
    ClassWithReason best;
    for (const std::string& reference : accepted) {
      std::string gold = simplify ? simplify->normalised(reference) : reference;
      ClassWithReason verdict = classify_text({answer, filtered, !chain.fallback().empty(), correct, gold, sample});
      bool better = &reference == &accepted[0] || verdict.failure_class == FailureClass::wrong_format;
      if (better) best = std::move(verdict);
    }
    out.failure_class = best.failure_class;
    out.explanation = std::move(best.explanation);
    return out;
  }

  std::vector<FilterChain> chains_;
};

class CodeScorer : public BaseScorer {
 public:
  CodeScorer(const TaskSpec& spec, std::vector<Metric> metrics, PythonTests tests, Sandbox* sandbox)
      : BaseScorer(spec, std::move(metrics)), tests_(std::move(tests)), backend_(sandbox->backend()) {}
  std::string backend() const override { return backend_; }

 private:
  std::vector<Score> score_answered(const Sample& sample, const std::vector<Response>& responses) const override {
    return tests_.score(sample, responses);
  }

  PythonTests tests_;
  std::string backend_;
};

// A conversation that outgrew the context has failed; so a response that says so is an answer here.
class UserTurnsScorer : public BaseScorer {
 public:
  UserTurnsScorer(const TaskSpec& spec, std::vector<Metric> metrics, OutsideTools* tools, std::string backend)
      : BaseScorer(spec, std::move(metrics)), tools_(tools), backend_(std::move(backend)) {}
  std::string backend() const override { return backend_; }
  std::vector<Score> score(const Sample& sample, const std::vector<Response>& responses) const override { return score_answered(sample, responses); }

 private:
  std::vector<Score> score_answered(const Sample& sample, const std::vector<Response>& responses) const override {
    return for_each_filter(filters_, score_user_turns(sample, responses, *tools_));
  }

  OutsideTools* tools_;
  std::string backend_;
};

// A scorer that reads answers in its own way and makes its own metrics; filters have no say. `Read` makes one Score of a
// sample and its responses.
template <typename Read>
class OwnScorer : public BaseScorer {
 public:
  OwnScorer(const TaskSpec& spec, std::vector<Metric> metrics, Read read)
      : BaseScorer(spec, std::move(metrics)), read_(std::move(read)) {}

 private:
  std::vector<Score> score_answered(const Sample& sample, const std::vector<Response>& responses) const override {
    return for_each_filter(filters_, read_(sample, responses));
  }

  Read read_;
};

template <typename Read>
std::unique_ptr<Scorer> own_scorer(const TaskSpec& spec, std::vector<Metric> metrics, Read read) {
  return std::make_unique<OwnScorer<Read>>(spec, std::move(metrics), std::move(read));
}

Status check_one_pipeline_of_choices(const TaskSpec& spec) {
  for (const FilterPipeline& pipeline : spec.scoring.filters)
    for (const FilterStep& step : pipeline.steps)
      if (step.function != "take_first")
        return bad_input(fmt::format("{}: filter_list: {}: '{}' works on text, and the output type is {}",
                                     spec.file.empty() ? spec.name : spec.file, pipeline.name, step.function,
                                     to_string(spec.scoring.output_type)));
  return {};
}

}  // namespace

bool runs_code(const TaskSpec& spec) { return spec.scoring.scorer == "python_tests"; }

std::pair<std::string, std::string> primary_metric(const TaskSpec& spec) {
  auto metrics = compile_metrics(spec);
  if (!metrics || metrics->empty()) return {"", ""};
  std::string metric = metrics->front().name, filter = filter_names(spec).front();
  for (const Metric& m : *metrics)
    if (m.kind == MetricKind::acc_norm) metric = m.name;
  Json metadata = spec.config.is_object() && spec.config.contains("metadata") ? spec.config["metadata"] : Json();
  return {json_string(metadata, "primary_metric", metric), json_string(metadata, "primary_filter", filter)};
}

Result<std::unique_ptr<Scorer>> make_scorer(const TaskSpec& spec, Sandbox* sandbox, OutsideTools* tools) {
  QEVAL_TRY(std::vector<Metric> metrics, compile_metrics(spec));
  switch (spec.scoring.output_type) {
    case OutputType::multiple_choice:
      QEVAL_CHECK(check_one_pipeline_of_choices(spec));
      return std::make_unique<ChoiceScorer>(spec, std::move(metrics));
    case OutputType::loglikelihood:
    case OutputType::loglikelihood_rolling:
      QEVAL_CHECK(check_one_pipeline_of_choices(spec));
      return std::make_unique<LikelihoodScorer>(spec, std::move(metrics));
    case OutputType::generate_until:
      break;
  }
  if (spec.scoring.scorer == "python_tests") {
    QEVAL_TRY(PythonTests tests, PythonTests::compile(spec, metrics, sandbox));
    return std::make_unique<CodeScorer>(spec, std::move(metrics), std::move(tests), sandbox);
  }
  if (spec.scoring.scorer == "user_turns") {
    if (!tools) return fail(ErrorKind::environment, spec.name + ": there are no tools to carry out its calls");
    if (std::string missing = tools->missing(); !missing.empty()) return fail(ErrorKind::environment, spec.name + " " + missing);
    QEVAL_TRY(std::string backend, tools->backend());
    return std::make_unique<UserTurnsScorer>(spec, std::move(metrics), tools, std::move(backend));
  }
  using Responses = std::vector<Response>;
  if (spec.scoring.scorer == "function_calls") {
    QEVAL_TRY(FunctionCalls calls, FunctionCalls::compile(spec));
    return own_scorer(spec, std::move(metrics), [calls = std::move(calls)](const Sample& s, const Responses& r) { return calls.score(s, r); });
  }
  if (spec.scoring.scorer == "json_schema") {
    QEVAL_TRY(JsonAnswers answers, JsonAnswers::compile(spec));
    return own_scorer(spec, std::move(metrics), [answers = std::move(answers)](const Sample& s, const Responses& r) { return answers.score(s, r); });
  }
  if (spec.scoring.scorer == "ifeval") {
    QEVAL_TRY(IfevalChecker checker, IfevalChecker::compile(spec));
    return own_scorer(spec, std::move(metrics), [checker = std::move(checker)](const Sample& s, const Responses& r) { return checker.score(s, r[0]); });
  }
  if (spec.scoring.scorer == "agent")
    return own_scorer(spec, metrics, [metrics](const Sample& s, const Responses& r) { return score_agent(metrics, s, r); });
  // Open-ended answers: their form is all that can be told before a judge reads them.
  if (spec.scoring.scorer == "judge")
    return own_scorer(spec, std::move(metrics), [scoring = spec.scoring](const Sample& s, const Responses& r) { return unjudged_score(s, r, scoring); });
  if (spec.scoring.scorer == "judgement")
    return own_scorer(spec, std::move(metrics), [scoring = spec.scoring](const Sample& s, const Responses& r) { return judgement_score(s, r[0], scoring); });
  std::vector<FilterPipeline> pipelines = spec.scoring.filters;
  if (pipelines.empty()) pipelines.emplace_back();
  std::vector<FilterChain> chains;
  for (const FilterPipeline& pipeline : pipelines) {
    QEVAL_TRY(FilterChain chain, FilterChain::compile(pipeline, spec));
    chains.push_back(std::move(chain));
  }
  return std::make_unique<TextScorer>(spec, std::move(metrics), std::move(chains));
}

}  // namespace qeval
