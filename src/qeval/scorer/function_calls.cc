#include "qeval/scorer/function_calls.h"

#include <fmt/format.h>

#include "qeval/scorer/answer.h"

namespace qeval {
namespace {

Json column(const Json& doc, const char* name) { return doc.is_object() && doc.contains(name) ? doc[name] : Json(); }

struct Asked {
  CallSyntax syntax = CallSyntax::python;
  bool underscored_names = false;
};

Asked how_asked(const Sample& sample, CallLanguage language) {
  if (!sample.requests.empty()) {
    const Request& request = sample.requests[0];
    if (!request.json_schema.empty()) return {CallSyntax::json, true};
    const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
    if (chat && !chat->tools.is_null()) return {CallSyntax::native, true};
  }
  if (language == CallLanguage::java) return {CallSyntax::java, false};
  return {language == CallLanguage::javascript ? CallSyntax::javascript : CallSyntax::python, false};
}

// Form faults that an early end explains.
bool is_broken_form(FailureClass c) {
  return c == FailureClass::unterminated_string || c == FailureClass::invalid_json || c == FailureClass::syntax_error ||
         c == FailureClass::no_call || c == FailureClass::prose;
}

// A list of calls that was cut: the calls before the cut stand alone in it, as in a text around them.
bool cut_among_calls(FailureClass c, std::string_view text) {
  size_t first = text.find_first_not_of(" \t\r\n");
  return c == FailureClass::surrounding_text && first != std::string_view::npos &&
         (text[first] == '[' || text[first] == '{' || text.substr(first).starts_with("<tool_call>"));
}

}  // namespace

Result<FunctionCalls> FunctionCalls::compile(const TaskSpec& spec) {
  const Json& options = spec.scoring.scorer_options;
  std::string place = fmt::format("{}: metadata: scorer_options", spec.file.empty() ? spec.name : spec.file);
  FunctionCalls out;
  out.scoring_ = spec.scoring;
  out.category_ = json_string(options, "category", "simple");
  bool relevance = out.category_ == "irrelevance" || out.category_ == "relevance";
  auto category = call_category_from(out.category_);
  if (!category && !relevance)
    return bad_input(fmt::format("{}: category '{}' is unknown; simple, multiple, parallel, irrelevance or relevance was expected", place, out.category_));
  auto language = call_language_from(json_string(options, "language", "python"));
  if (!language) return bad_input(fmt::format("{}: language '{}' is unknown; python, java or javascript was expected", place, json_string(options, "language")));
  out.check_.category = category.value_or(CallCategory::simple);
  out.check_.language = *language;
  return out;
}

FunctionCalls::Verdict FunctionCalls::judge_relevance(const ParsedCalls& parsed, bool unfinished) const {
  bool called = !parsed.calls.empty() && !parsed.fault;
  Verdict out;
  out.extracted = calls_text(parsed.calls);
  if (category_ == "irrelevance") {
    if (called) out.failure_class = FailureClass::needless_call;
    else if (unfinished) out.explanation = "passes as in the benchmark, but the thinking never ended";
    else if (parsed.fault && is_format(parsed.fault->failure_class) && parsed.fault->failure_class != FailureClass::prose)
      out.explanation = fmt::format("passes as nothing can be read as a call: {}", parsed.fault->detail);
  } else if (!called) {
    out.failure_class = parsed.fault ? parsed.fault->failure_class : FailureClass::no_call;
    if (parsed.fault) out.explanation = parsed.fault->detail;
  }
  return out;
}

FunctionCalls::Verdict FunctionCalls::judge(const Sample& sample, const Response& response) const {
  Answer answer = prepare_answer(response, scoring_, sample);
  Asked asked = how_asked(sample, check_.language);
  // Reasoning that never ended holds no answer, whatever calls it considers.
  ParsedCalls parsed = parse_calls(answer.unfinished_thinking ? "" : answer.text, asked.syntax, column(sample.doc, "tools"));
  bool relevance = category_ == "irrelevance" || category_ == "relevance";
  Verdict out;
  if (relevance) {
    out = judge_relevance(parsed, answer.unfinished_thinking);
  } else {
    out.extracted = calls_text(parsed.calls);
    AstCheck check = check_;
    check.underscored_names = asked.underscored_names;
    std::optional<CallFault> fault = parsed.fault;
    if (!fault) fault = check_calls(check, column(sample.doc, "function"), parsed.calls, column(sample.doc, "ground_truth"));
    if (fault) {
      out.failure_class = fault->failure_class;
      out.explanation = std::move(fault->detail);
    }
  }
  if (out.failure_class == FailureClass::correct) return out;
  if (answer.unfinished_thinking) out.failure_class = FailureClass::unfinished_thinking;
  else if (answer.cut_by_length && (is_broken_form(out.failure_class) || cut_among_calls(out.failure_class, answer.text))) out.failure_class = FailureClass::truncated;
  return out;
}

Score FunctionCalls::score(const Sample& sample, const std::vector<Response>& responses) const {
  Score out;
  out.failure_class = FailureClass::correct;
  double right = 0;
  for (size_t i = 0; i < responses.size(); ++i) {
    Verdict verdict = judge(sample, responses[i]);
    bool correct = verdict.failure_class == FailureClass::correct;
    right += correct;
    bool first_wrong = !correct && out.failure_class == FailureClass::correct;
    if (i > 0 && !first_wrong) continue;
    out.failure_class = verdict.failure_class;
    out.extracted = std::move(verdict.extracted);
    out.explanation = std::move(verdict.explanation);
  }
  out.metrics.emplace_back("acc", responses.empty() ? 0 : right / static_cast<double>(responses.size()));
  return out;
}

}  // namespace qeval
