#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/unicode.h"
#include "qeval/tools/call_reader.h"
#include "qeval/tools/json_text.h"

namespace qeval {
namespace {

enum class Form { json, python, tagged };

struct Found {
  std::vector<Call> calls;
  Form form = Form::json;
  bool fenced = false, surrounded = false;
};

constexpr int kMaxTries = 8;  // places that may begin a call; keeps the search linear

// The inside of the first fenced block; the whole text where there is none.
std::string_view fenced_part(std::string_view text, bool& fenced, bool& surrounded) {
  size_t open = text.find("```");
  fenced = open != std::string_view::npos;
  if (!fenced) return text;
  size_t begin = open + 3;
  while (begin < text.size() && ((text[begin] | 32) >= 'a' && (text[begin] | 32) <= 'z')) ++begin;
  if (begin < text.size() && text[begin] == '_') while (begin < text.size() && text[begin] != '\n') ++begin;
  size_t close = text.find("```", begin);
  std::string_view after = close == std::string_view::npos ? std::string_view() : text.substr(close + 3);
  surrounded = !py_strip(text.substr(0, open)).empty() || !py_strip(after).empty();
  return text.substr(begin, close == std::string_view::npos ? close : close - begin);
}

bool found_calls(ParsedCalls read, Form form, Found& out) {
  if (read.fault || read.calls.empty()) return false;
  out.calls = std::move(read.calls);
  out.form = form;
  return true;
}

bool embedded_json(std::string_view text, Found& out) {
  size_t at = 0;
  for (int i = 0; i < kMaxTries && (at = text.find_first_of("{[", at)) != std::string_view::npos; ++i) {
    JsonSpan span = scan_json(text, at);
    if (!span.closed) {
      ++at;
      continue;
    }
    if (found_calls(read_json_calls(text.substr(at, span.end - at)), Form::json, out)) return true;
    ++at;
  }
  return false;
}

// One behind the bracket that closes text[open], by brackets and strings alone; npos where it stays open.
size_t closing_bracket(std::string_view text, size_t open) {
  size_t depth = 0;
  for (size_t at = open; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\'' || c == '"') {
      for (++at; at < text.size() && text[at] != c; ++at)
        if (text[at] == '\\') ++at;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if ((c == ')' || c == ']' || c == '}') && --depth == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

std::vector<std::string> tool_names(const Json& tools) {
  std::vector<std::string> names;
  if (tools.is_array())
    for (const Json& tool : tools) {
      const Json& doc = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
      if (std::string name = json_string(doc, "name"); !name.empty()) names.push_back(name);
    }
  return names;
}

// Where a known function's name stands before a bracket: the first of them.
size_t call_site(std::string_view text, const Json& tools) {
  size_t first = std::string_view::npos;
  for (const std::string& name : tool_names(tools)) first = std::min(first, text.find(name + "("));
  return first;
}

bool embedded_python(std::string_view text, const Json& tools, Found& out) {
  size_t begin = call_site(text, tools);
  if (begin == std::string_view::npos) return false;
  size_t bracket = text.find('(', begin), end = closing_bracket(text, bracket);
  if (end == std::string_view::npos) return false;
  return found_calls(read_python(text.substr(begin, end - begin)), Form::python, out);
}

std::optional<Found> find_calls(std::string_view text, const Json& tools) {
  Found out;
  std::string_view part = fenced_part(text, out.fenced, out.surrounded);
  if (found_calls(read_native(part, tools), Form::tagged, out)) return out;
  if (found_calls(read_json_calls(part), Form::json, out)) return out;
  if (found_calls(read_python(part), Form::python, out)) return out;
  out.surrounded = true;
  if (embedded_json(part, out) || embedded_python(part, tools, out)) return out;
  return std::nullopt;
}

const char* form_name(Form form) {
  switch (form) {
    case Form::json: return "JSON";
    case Form::python: return "Python-style";
    case Form::tagged: return "tagged";
  }
  return "";
}

bool is_protocols(Form form, CallSyntax syntax) {
  switch (syntax) {
    case CallSyntax::native: return form != Form::python;
    case CallSyntax::json: return form == Form::json;
    default: return form == Form::python;
  }
}

// "name(" or "a.b(" at the start.
bool begins_with_call(std::string_view text) {
  size_t end = 0;
  auto part = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; };
  while (end < text.size() && part(text[end])) ++end;
  return end > 0 && end < text.size() && text[end] == '(';
}

// Text that begins like a call but cannot be read as one.
bool looks_broken(std::string_view text, CallSyntax syntax, const Json& tools) {
  std::string start = py_strip(text.substr(0, 4096), " \t\r\n`");
  for (const char* word : {"json\n", "python\n"})
    if (start.rfind(word, 0) == 0) start = py_strip(start.substr(std::string_view(word).size()));
  if (start.rfind("{", 0) == 0 || start.rfind("[{", 0) == 0 || start.rfind("<tool_call", 0) == 0) return true;
  if (begins_with_call(start) || call_site(text, tools) != std::string_view::npos) return true;
  return syntax != CallSyntax::native && start.rfind("[", 0) == 0;
}

// The protocol's JSON ends too early or holds a fault: said about the JSON, not about what stands around it.
std::optional<CallFault> broken_json(std::string_view text) {
  bool fenced = false, surrounded = false;
  std::string_view part = fenced_part(text, fenced, surrounded);
  size_t begin = part.find_first_of("{[");
  if (begin == std::string_view::npos) return std::nullopt;
  JsonSpan span = scan_json(part, begin);
  return read_json(part.substr(begin, span.end - begin)).fault;
}

}  // namespace

CallFault diagnose_calls(std::string_view text, CallSyntax syntax, const Json& tools, std::optional<CallFault> fault) {
  if (py_strip(text, " \t\r\n`").empty()) return {FailureClass::no_call, "the answer is empty"};
  if (auto found = find_calls(text, tools)) {
    bool own = is_protocols(found->form, syntax);
    std::string what = fmt::format("a {} call", form_name(found->form));
    if (found->fenced && own) return {FailureClass::code_fence, what + " inside a Markdown fence"};
    if (found->surrounded && own) return {FailureClass::surrounding_text, what + " with text around it"};
    if (own && syntax == CallSyntax::native) return {FailureClass::call_syntax, "a JSON call without <tool_call>"};
    if (!own) return {FailureClass::call_syntax, what + (found->fenced ? " inside a Markdown fence" : "")};
  }
  bool json = syntax == CallSyntax::json || syntax == CallSyntax::native;
  if (looks_broken(text, syntax, tools)) {
    if (json || text.find("\"arguments\"") != std::string_view::npos)
      if (auto broken = broken_json(text)) return *broken;
    if (fault) return *fault;
    return {FailureClass::invalid_json, "it begins like a call and is none: " + printable(valid_utf8(text.substr(0, 60)))};
  }
  return {FailureClass::prose, "text instead of a call: " + printable(valid_utf8(text.substr(0, 60)))};
}

}  // namespace qeval
