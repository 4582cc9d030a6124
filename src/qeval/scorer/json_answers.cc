#include "qeval/scorer/json_answers.h"

#include "qeval/scorer/answer.h"
#include "qeval/text/unicode.h"
#include "qeval/tools/json_text.h"
#include "qeval/tools/schema_check.h"

namespace qeval {
namespace {

struct Verdict {
  FailureClass failure_class = FailureClass::correct;
  std::string explanation;
  bool valid = false, equal = false;
};

// Where no JSON could be read: what a reader sees instead.
CallFault named_fault(const std::string& text, CallFault fault) {
  if (is_blank(text)) return {FailureClass::no_answer, "the answer is empty"};
  size_t begin = text.find_first_of("{[");
  std::string start = py_strip(text.substr(0, 64));
  if (fault.failure_class != FailureClass::invalid_json || start.empty() || start[0] == '{' || start[0] == '[') return fault;
  if (text.find("```") != std::string::npos) return {FailureClass::code_fence, "a Markdown fence surrounds it"};
  if (begin == std::string::npos) return {FailureClass::prose, "text instead of JSON: " + printable(start)};
  JsonSpan span = scan_json(text, begin);
  JsonReading inside = read_json(std::string_view(text).substr(begin, span.end - begin));
  return inside.fault ? std::move(*inside.fault) : CallFault{FailureClass::surrounding_text, "text stands around the JSON: " + printable(start)};
}

Verdict judge(const Answer& answer, const SchemaCheck& schema, const PyValue& target) {
  Verdict out;
  JsonReading read = read_json(answer.text);
  if (!read.fault) {
    auto violation = schema.violation(read.value);
    out.valid = !violation;
    out.equal = out.valid && py_equal(read.value, target);
    if (violation) out.failure_class = FailureClass::schema_violation, out.explanation = *violation;
    else if (!out.equal) out.explanation = "valid, but not the facts that were given";
    return out;
  }
  CallFault fault = named_fault(answer.text, std::move(*read.fault));
  out.failure_class = answer.unfinished_thinking ? FailureClass::unfinished_thinking : answer.cut_by_length ? FailureClass::truncated : fault.failure_class;
  out.explanation = std::move(fault.detail);
  return out;
}

}  // namespace

Result<JsonAnswers> JsonAnswers::compile(const TaskSpec& spec) {
  JsonAnswers out;
  out.scoring_ = spec.scoring;
  out.column_ = json_string(spec.scoring.scorer_options, "schema", "schema");
  QEVAL_CHECK(SchemaCheck::compile(Json::object()));  // says now whether this build can validate
  return out;
}

Score JsonAnswers::score(const Sample& sample, const std::vector<Response>& responses) const {
  Score out;
  auto schema = SchemaCheck::compile(sample.doc.is_object() && sample.doc.contains(column_) ? sample.doc[column_] : Json::object());
  JsonReading target = read_json(sample.target);
  double valid = 0, equal = 0;
  for (size_t i = 0; schema && i < responses.size(); ++i) {
    Answer answer = prepare_answer(responses[i], scoring_, sample);
    Verdict verdict = judge(answer, *schema, target.value);
    valid += verdict.valid;
    equal += verdict.equal;
    if (i > 0) continue;
    out.failure_class = verdict.failure_class;
    out.explanation = std::move(verdict.explanation);
    out.extracted = valid_utf8(std::string_view(answer.text).substr(0, 4096));
  }
  if (!schema) out.explanation = schema.error().message;
  double n = responses.empty() ? 1 : static_cast<double>(responses.size());
  out.metrics.emplace_back("schema_valid", valid / n);
  out.metrics.emplace_back("exact_match", equal / n);
  return out;
}

}  // namespace qeval
