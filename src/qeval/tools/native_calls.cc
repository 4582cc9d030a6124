#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "qeval/text/python_literal.h"
#include "qeval/text/unicode.h"
#include "qeval/tools/call_reader.h"
#include "qeval/tools/json_text.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

using Kind = PyValue::Kind;

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kFunctionClose = "</function>";
constexpr std::string_view kParameterOpen = "<parameter=";
constexpr std::string_view kParameterClose = "</parameter>";

size_t skip_space(std::string_view text, size_t at) { return std::min(text.find_first_not_of(kSpace, at), text.size()); }
bool starts_at(std::string_view text, size_t at, std::string_view what) { return text.substr(at, what.size()) == what; }
std::string sample(std::string_view text) { return printable(valid_utf8(text.substr(0, 60))); }

// JSON Schema's type of a parameter, "" where the tools do not say; of several the first that is not null.
std::string declared_type(const Json& tools, const std::string& function, const std::string& parameter) {
  const Json* doc = find_tool(tools, function);
  if (!doc || !doc->contains("parameters")) return "";
  const Json& schema = (*doc)["parameters"];
  if (!schema.is_object() || !schema.contains("properties") || !schema["properties"].is_object()) return "";
  auto it = schema["properties"].find(parameter);
  if (it == schema["properties"].end() || !it->is_object() || !it->contains("type")) return "";
  const Json& type = (*it)["type"];
  if (type.is_string()) return type.get<std::string>();
  if (type.is_array())
    for (const Json& one : type)
      if (one.is_string() && one != "null") return one.get<std::string>();
  return "";
}

PyValue number_of(const std::string& text, bool whole) {
  JsonReading read = read_json(text);
  if (!read.fault && read.value.is(Kind::integer)) return read.value;
  if (!read.fault && read.value.is(Kind::real)) {
    double value = read.value.number;
    if (value == static_cast<double>(static_cast<int64_t>(value)) && !whole) return PyValue::of(static_cast<int64_t>(value));
    return read.value;
  }
  return PyValue::of(text);
}

// XML values are text; their declared type says what they mean, as vLLM's parser reads them. What does not fit stays
// text, so that the check of types sees it.
PyValue typed_value(std::string text, const std::string& type) {
  if (lower_ascii(text) == "null") return {};
  if (type.empty() || type == "string") return PyValue::of(std::move(text));
  std::string stripped = py_strip(text);
  if (type == "integer" || type == "number") return number_of(stripped, type == "integer");
  if (type == "boolean") {
    std::string word = lower_ascii(stripped);
    if (word == "true" || word == "false") return PyValue::of(word == "true");
    return PyValue::of(std::move(text));
  }
  JsonReading read = read_json(text);
  if (!read.fault) return std::move(read.value);
  if (auto literal = python_literal_eval(stripped)) return py_value_of(*literal);
  return PyValue::of(std::move(text));
}

class NativeReader {
 public:
  NativeReader(std::string_view text, const Json& tools) : text_(text), tools_(tools) {}

  ParsedCalls read() {
    bool tagged = text_.find(kToolCallOpen) != std::string_view::npos;
    std::string_view mark = tagged ? kToolCallOpen : kFunctionOpen;
    std::string content;
    while (!out_.fault) {
      size_t found = text_.find(mark, at_);
      content += text_.substr(at_, found - at_);
      if (found == std::string_view::npos) break;
      at_ = found;
      if (tagged) tagged_call();
      else xml_function();
    }
    out_.content = py_strip(content);
    return std::move(out_);
  }

 private:
  void fault(FailureClass c, std::string detail) { out_.fault = CallFault{c, std::move(detail)}; }

  void tagged_call() {
    at_ = skip_space(text_, at_ + kToolCallOpen.size());
    if (starts_at(text_, at_, kFunctionOpen)) {
      while (!out_.fault && starts_at(text_, at_, kFunctionOpen)) {
        xml_function();
        at_ = skip_space(text_, at_);
      }
    } else if (at_ < text_.size() && (text_[at_] == '{' || text_[at_] == '[')) {
      json_call();
    } else {
      no_json();
    }
    if (out_.fault) return;
    if (starts_at(text_, at_, kToolCallClose)) at_ += kToolCallClose.size();
    else if (at_ < text_.size() && !starts_at(text_, at_, kToolCallOpen))
      fault(FailureClass::surrounding_text, "text follows the call inside <tool_call>: " + sample(text_.substr(at_)));
  }

  void json_call() {
    JsonSpan span = scan_json(text_, at_);
    JsonReading read = read_json(text_.substr(at_, span.end - at_));
    if (read.fault) {
      out_.fault = std::move(read.fault);
      return;
    }
    ParsedCalls one = calls_of_value(read.value);
    out_.fault = std::move(one.fault);
    for (Call& call : one.calls) out_.calls.push_back(std::move(call));
    at_ = skip_space(text_, span.end);
  }

  void no_json() {
    size_t close = text_.find(kToolCallClose, at_);
    std::string_view body = text_.substr(at_, close - at_);
    bool blank = py_strip(body).empty();
    if (body.substr(0, 3) == "```") fault(FailureClass::code_fence, "a Markdown fence stands inside <tool_call>");
    else if (!blank && !read_python(body).calls.empty()) fault(FailureClass::call_syntax, "a Python-style call inside <tool_call>: " + sample(body));
    else fault(FailureClass::invalid_json, blank ? "<tool_call> is empty" : "no JSON inside <tool_call>: " + sample(body));
  }

  // "<function=NAME>", parameters, "</function>".
  void xml_function() {
    size_t name = at_ + kFunctionOpen.size(), end = text_.find('>', name);
    if (end == std::string_view::npos) return fault(FailureClass::invalid_json, "the text ends inside <function=…");
    Call call;
    call.name = py_strip(text_.substr(name, end - name));
    PyDictBuilder arguments;
    for (at_ = skip_space(text_, end + 1); starts_at(text_, at_, kParameterOpen); at_ = skip_space(text_, at_))
      if (!xml_parameter(call.name, arguments)) return;
    if (!starts_at(text_, at_, kFunctionClose))
      return fault(FailureClass::invalid_json, at_ >= text_.size() ? "the text ends before </function>" : "neither a parameter nor </function>: " + sample(text_.substr(at_)));
    at_ += kFunctionClose.size();
    call.arguments = arguments.take();
    out_.calls.push_back(std::move(call));
  }

  bool xml_parameter(const std::string& function, PyDictBuilder& arguments) {
    size_t name = at_ + kParameterOpen.size(), end = text_.find('>', name);
    size_t close = end == std::string_view::npos ? end : text_.find(kParameterClose, end);
    if (close == std::string_view::npos) {
      fault(FailureClass::invalid_json, "the text ends before </parameter>");
      return false;
    }
    std::string key = py_strip(text_.substr(name, end - name));
    std::string_view value = text_.substr(end + 1, close - end - 1);
    if (value.substr(0, 1) == "\n") value.remove_prefix(1);
    if (!value.empty() && value.back() == '\n') value.remove_suffix(1);
    std::string type = declared_type(tools_, function, key);
    arguments.add(PyValue::of(std::move(key)), typed_value(std::string(value), type));
    at_ = close + kParameterClose.size();
    return true;
  }

  std::string_view text_;
  const Json& tools_;
  size_t at_ = 0;
  ParsedCalls out_;
};

}  // namespace

ParsedCalls read_native(std::string_view text, const Json& tools) { return NativeReader(text, tools).read(); }

}  // namespace qeval
