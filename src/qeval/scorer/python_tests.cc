#include "qeval/scorer/python_tests.h"

#include <fmt/format.h>

#include <cmath>

#include "qeval/scorer/answer.h"
#include "qeval/scorer/filter_steps.h"
#include "qeval/stats/moments.h"

namespace qeval {
namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// Python's words for a string that never ends, from 3.8 on.
bool says_unterminated(std::string_view detail) {
  return contains(detail, "unterminated string literal") || contains(detail, "unterminated triple-quoted") ||
         contains(detail, "unterminated f-string") || contains(detail, "unterminated triple-quoted f-string") ||
         contains(detail, "EOL while scanning string") || contains(detail, "EOF while scanning triple-quoted");
}

// Python's words for a program that ends too early.
bool says_unfinished(std::string_view detail) {
  return contains(detail, "unexpected EOF") || contains(detail, "was never closed") ||
         contains(detail, "triple-quoted") || contains(detail, "expected an indented block") ||
         contains(detail, "expected 'except' or 'finally'");
}

FailureClass class_of(SandboxVerdict verdict) {
  switch (verdict) {
    case SandboxVerdict::passed:
      return FailureClass::correct;
    case SandboxVerdict::failed:
      return FailureClass::test_failed;
    case SandboxVerdict::runtime_error:
    case SandboxVerdict::output_limit:
    case SandboxVerdict::exited:
      return FailureClass::runtime_error;
    case SandboxVerdict::syntax_error:
      return FailureClass::syntax_error;
    case SandboxVerdict::time_out:
      return FailureClass::time_out;
    case SandboxVerdict::memory_limit:
      return FailureClass::memory_limit;
    case SandboxVerdict::infrastructure:
      return FailureClass::sandbox_failure;
  }
  return FailureClass::sandbox_failure;
}

std::string explanation_of(const ProgramRun& run) {
  if (run.verdict == SandboxVerdict::exited && run.detail.empty()) return "ended before the last test";
  if (run.verdict == SandboxVerdict::output_limit && run.detail.empty()) return "wrote more than the output limit";
  return run.detail;
}

struct Hook {
  CodeExtract extract = CodeExtract::raw;
  bool prepend_prompt = false;
};

// What the custom filters of lm-eval's code tasks do.
Hook hook_of(const FilterStep& step, bool mbpp) {
  std::string name =
      step.arguments.is_object() && step.arguments.contains("filter_fn")
          ? json_string(step.arguments["filter_fn"], "!function", json_string(step.arguments, "filter_fn"))
          : "";
  if (contains(name, "build_predictions_instruct")) return {CodeExtract::fence_cut, true};
  if (contains(name, "extract_code_blocks")) return {CodeExtract::first_fence, false};
  return mbpp ? Hook{CodeExtract::first_fence, false} : Hook{CodeExtract::raw, true};
}

}  // namespace

Result<PythonTests> PythonTests::compile(const TaskSpec& spec, const std::vector<Metric>& metrics, Sandbox* sandbox) {
  std::string file = spec.file.empty() ? spec.name : spec.file;
  if (!sandbox)
    return fail(ErrorKind::environment, fmt::format("{}: runs model-written Python and needs a sandbox", spec.name));
  PythonTests out;
  out.scoring_ = spec.scoring;
  out.metrics_ = metrics;
  out.sandbox_ = sandbox;
  StepArguments options(spec.scoring.scorer_options, file + ": scorer_options");
  Json timeout = options.any("timeout_s"), prepend = options.any("prepend_prompt");
  QEVAL_TRY(std::string extract, options.text("extract", ""));
  QEVAL_CHECK(options.done());
  double seconds = timeout.is_number() ? timeout.get<double>() : 3.0;
  if ((!timeout.is_null() && !timeout.is_number()) || !(seconds > 0 && seconds <= 3600))
    return fail(options.wrong("timeout_s", "seconds, over 0 and at most 3600"));
  if (!prepend.is_null() && !prepend.is_boolean()) return fail(options.wrong("prepend_prompt", "true or false"));
  out.limits_.wall = std::chrono::milliseconds(static_cast<int64_t>(std::ceil(seconds * 1000)));
  bool mbpp = contains(spec.name, "mbpp") || contains(spec.dataset_title, "mbpp");
  std::vector<FilterPipeline> pipelines = spec.scoring.filters;
  if (pipelines.empty()) pipelines.emplace_back();
  for (const FilterPipeline& wanted : pipelines) {
    Pipeline pipeline;
    pipeline.name = wanted.name;
    FilterPipeline rest{wanted.name, {}};
    Hook hook;
    for (const FilterStep& step : wanted.steps) {
      if (step.function == "custom")
        hook = hook_of(step, mbpp);
      else if (step.function != "take_first" || spec.repeats == 1)
        rest.steps.push_back(step);
      else
        return bad_input(
            fmt::format("{}: filter_list: {}: take_first would drop repeats that pass@k needs", file, wanted.name));
    }
    pipeline.has_before = !rest.steps.empty();
    QEVAL_TRY(pipeline.before, FilterChain::compile(rest, spec));
    pipeline.extract = hook.extract;
    pipeline.prepend_prompt = prepend.is_boolean() ? prepend.get<bool>() : hook.prepend_prompt;
    if (!extract.empty()) {
      auto named = code_extract_from(extract);
      if (!named) return fail(named.error().in(file + ": scorer_options"));
      pipeline.extract = *named;
    }
    out.pipelines_.push_back(std::move(pipeline));
  }
  return out;
}

ProgramRun PythonTests::run(const std::string& program) const { return sandbox_->run(program, limits_); }

// Only a diagnosis: the score stands as the protocol gives it.
bool PythonTests::hides_code(const Pipeline& pipeline, const Sample& sample, const Attempt& attempt) const {
  std::string prompt = json_string(sample.doc, "prompt");
  for (const std::string& hidden : hidden_programs(attempt.answer)) {
    // A block may hold the whole function or only go on with the prompt's.
    std::vector<std::string> starts = {hidden};
    if (pipeline.prepend_prompt) starts = {prompt + "\n" + hidden, prompt + hidden};
    for (const std::string& start : starts) {
      if (start == attempt.code) continue;
      SandboxVerdict verdict = run(start + "\n" + sample.target).verdict;
      if (verdict == SandboxVerdict::passed) return true;
      bool compiles = verdict != SandboxVerdict::syntax_error && verdict != SandboxVerdict::infrastructure;
      if (attempt.run.verdict == SandboxVerdict::syntax_error && compiles) return true;
    }
  }
  return false;
}

PythonTests::Attempt PythonTests::attempt(const Pipeline& pipeline, const Sample& sample,
                                          const Response& response) const {
  Answer answer = prepare_answer(response, scoring_, sample);
  Attempt out;
  out.answer = answer.text;
  if (pipeline.has_before) {
    Filtered filtered = pipeline.before.apply({answer.text}, sample);
    out.answer = filtered.values.empty() ? "" : filtered_text(filtered.values[0]);
  }
  std::string extracted = extract_code(pipeline.extract, out.answer);
  out.code = (pipeline.prepend_prompt ? json_string(sample.doc, "prompt") : "") + extracted;
  out.run = run(out.code + "\n" + sample.target);
  out.failure_class = class_of(out.run.verdict);
  out.explanation = explanation_of(out.run);
  auto set = [&](FailureClass c, std::string why = "") {
    out.failure_class = c;
    if (!why.empty()) out.explanation = out.explanation.empty() ? why : why + ": " + out.explanation;
    return out;
  };
  SandboxVerdict verdict = out.run.verdict;
  bool keeps = verdict == SandboxVerdict::passed || verdict == SandboxVerdict::infrastructure ||
               verdict == SandboxVerdict::time_out || verdict == SandboxVerdict::memory_limit;
  if (keeps) return out;
  if (answer.unfinished_thinking) return set(FailureClass::unfinished_thinking);
  if (is_blank(answer.text)) {
    if (answer.cut_by_length) return set(FailureClass::truncated);
    return set(answer.cut_by_stop ? FailureClass::stopped_mid_answer : FailureClass::empty_or_refusal, "empty answer");
  }
  if (answer.cut_by_length) return set(FailureClass::truncated, "cut by the token limit");
  if (hides_code(pipeline, sample, out))
    return set(FailureClass::code_fence, "right or valid without the text around it");
  if (is_refusal(answer.text)) return set(FailureClass::empty_or_refusal, "declines");
  if (is_blank(extracted)) return set(FailureClass::no_answer, "no code found in the answer");
  if (verdict != SandboxVerdict::syntax_error) return out;
  if (answer.cut_by_stop && says_unfinished(out.run.detail)) return set(FailureClass::stopped_mid_answer);
  if (says_unterminated(out.run.detail)) return set(FailureClass::unterminated_string);
  return out;
}

Score PythonTests::score_pipeline(const Pipeline& pipeline, const Sample& sample,
                                  const std::vector<Response>& responses) const {
  Score out;
  out.filter = pipeline.name;
  out.details = {{"backend", sandbox_->backend()}, {"verdicts", Json::array()}};
  int64_t passed = 0;
  std::optional<Attempt> first, broken;
  for (const Response& response : responses) {
    Attempt attempt = this->attempt(pipeline, sample, response);
    out.details["verdicts"].push_back(to_string(attempt.run.verdict));
    passed += attempt.run.verdict == SandboxVerdict::passed;
    if (attempt.failure_class == FailureClass::sandbox_failure && !broken) broken = attempt;
    if (!first) first = std::move(attempt);
  }
  int64_t n = static_cast<int64_t>(responses.size());
  const Attempt& shown = broken ? *broken : *first;
  out.extracted = shown.code;
  out.failure_class = shown.failure_class;
  out.explanation = shown.explanation;
  if (broken) return out;
  for (const Metric& metric : metrics_)
    if (metric.kind == MetricKind::pass_at_k)
      if (double value = pass_at_k(n, passed, metric.k); std::isfinite(value))
        out.metrics.emplace_back(metric.name, value);
  return out;
}

std::vector<Score> PythonTests::score(const Sample& sample, const std::vector<Response>& responses) const {
  std::vector<Score> out;
  for (const Pipeline& pipeline : pipelines_) out.push_back(score_pipeline(pipeline, sample, responses));
  return out;
}

}  // namespace qeval
