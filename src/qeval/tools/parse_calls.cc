#include "qeval/tools/parse_calls.h"

#include <fmt/format.h>

#include "qeval/text/python_call.h"
#include "qeval/text/unicode.h"
#include "qeval/tools/call_reader.h"
#include "qeval/tools/json_text.h"

namespace qeval {
namespace {

using Kind = PyValue::Kind;

}  // namespace

std::optional<CallSyntax> call_syntax_from(std::string_view name) {
  if (name == "native") return CallSyntax::native;
  if (name == "python") return CallSyntax::python;
  if (name == "json") return CallSyntax::json;
  if (name == "java") return CallSyntax::java;
  if (name == "javascript") return CallSyntax::javascript;
  return std::nullopt;
}

ParsedCalls calls_of_value(const PyValue& value) {
  ParsedCalls out;
  if (value.is(Kind::list)) {
    for (const PyValue& item : value.items) {
      ParsedCalls one = item.is(Kind::dict) ? calls_of_value(item) : call_fault(FailureClass::invalid_json, "an item of the list is no object");
      if (one.fault) {
        out.fault = std::move(one.fault);
        return out;
      }
      out.calls.push_back(std::move(one.calls[0]));
    }
    return out;
  }
  const PyValue* name = value.find("name");
  const PyValue* arguments = value.find("arguments");
  if (!name || !name->is(Kind::text)) return call_fault(FailureClass::invalid_json, "the object has no text 'name'");
  if (!arguments || !arguments->is(Kind::dict)) return call_fault(FailureClass::invalid_json, "the object has no object 'arguments'");
  out.calls.push_back({name->text, *arguments});
  return out;
}

ParsedCalls read_json_calls(std::string_view text) {
  JsonReading read = read_json(text);
  ParsedCalls out;
  if (read.fault) out.fault = std::move(read.fault);
  else if (read.value.is(Kind::list) || read.value.is(Kind::dict)) out = calls_of_value(read.value);
  else out.fault = CallFault{FailureClass::invalid_json, "neither a list nor an object"};
  return out;
}

ParsedCalls read_python(std::string_view text) {
  std::string whole = py_strip(text, "`\n ");
  if (whole.empty() || whole.front() != '[') whole.insert(whole.begin(), '[');
  if (whole.back() != ']') whole += ']';
  whole = py_strip(py_strip(whole), "'");
  auto read = read_python_calls(whole);
  ParsedCalls out;
  if (!read) {
    FailureClass c = read.error().unterminated_string ? FailureClass::unterminated_string : FailureClass::syntax_error;
    size_t at = std::min(read.error().offset, whole.size());
    out.fault = CallFault{c, fmt::format("{} (near: {})", printable(valid_utf8(read.error().message)), printable(valid_utf8(std::string_view(whole).substr(at, 40))))};
    return out;
  }
  for (PyCall& call : *read) out.calls.push_back({std::move(call.name), std::move(call.arguments)});
  return out;
}

ParsedCalls parse_calls(std::string_view answer, CallSyntax syntax, const Json& tools) {
  ParsedCalls out;
  switch (syntax) {
    case CallSyntax::native: out = read_native(answer, tools); break;
    case CallSyntax::json: out = read_json_calls(answer); break;
    case CallSyntax::python: out = read_python(answer); break;
    case CallSyntax::java:
    case CallSyntax::javascript: out = read_source(answer, syntax); break;
  }
  if (!out.fault && !out.calls.empty()) return out;
  bool empty_list = !out.fault && syntax != CallSyntax::native && !py_strip(answer, "`\n ").empty();
  if (empty_list) out.fault = CallFault{FailureClass::no_call, "an empty list: the answer says that no call is due"};
  // Inside a tag of its own the reader has said all there is to say.
  else if (syntax != CallSyntax::native || !out.fault) out.fault = diagnose_calls(answer, syntax, tools, std::move(out.fault));
  return out;
}

}  // namespace qeval
