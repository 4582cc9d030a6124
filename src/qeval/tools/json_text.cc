#include "qeval/tools/json_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/text/unicode.h"

namespace qeval {
namespace {

// Builds a PyValue from nlohmann's events; its number_float() carries the token, so no digit of an integer is lost.
class ValueBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  PyValue take() { return std::move(root_); }
  bool too_deep() const { return too_deep_; }
  size_t fault_at() const { return fault_at_; }
  void fail_at(size_t at) { fault_at_ = at; }
  const std::string& fault() const { return fault_; }

  bool null() override { return put({}); }
  bool boolean(bool value) override { return put(PyValue::of(value)); }
  bool number_integer(number_integer_t value) override { return put(PyValue::of(static_cast<int64_t>(value))); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= static_cast<uint64_t>(INT64_MAX)) return put(PyValue::of(static_cast<int64_t>(value)));
    return put(PyValue::of_kind(PyValue::Kind::integer, std::to_string(value)));
  }
  bool number_float(number_float_t value, const string_t& token) override {
    bool whole = token.find_first_of(".eE") == std::string::npos;
    return put(whole ? PyValue::of_kind(PyValue::Kind::integer, token) : PyValue::of(value));
  }
  bool string(string_t& value) override { return put(PyValue::of(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& value) override {
    open_.back().keys.push_back(std::move(value));
    return true;
  }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    fault_at_ = position == 0 ? 0 : position - 1;
    fault_ = e.what();
    return false;
  }

 private:
  struct Level {
    bool object = false;
    std::vector<std::string> keys;
    PyValue list = PyValue::of_kind(PyValue::Kind::list);
    PyDictBuilder dict;
  };

  bool put(PyValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Level& level = open_.back(); level.object) {
      level.dict.add(PyValue::of(std::move(level.keys.back())), std::move(value));
      level.keys.pop_back();
    } else {
      level.list.items.push_back(std::move(value));
    }
    return true;
  }
  bool open(bool object) {
    too_deep_ = open_.size() >= kMaxJsonDepth;
    if (too_deep_) return false;
    open_.emplace_back().object = object;
    return true;
  }
  bool close() {
    PyValue value = open_.back().object ? open_.back().dict.take() : std::move(open_.back().list);
    open_.pop_back();
    return put(std::move(value));
  }

  std::vector<Level> open_;
  PyValue root_;
  bool too_deep_ = false;
  size_t fault_at_ = 0;
  std::string fault_;
};

std::string place_of(std::string_view text, size_t at) {
  at = std::min(at, text.size());
  std::string_view before = text.substr(0, at);
  auto line = std::count(before.begin(), before.end(), '\n') + 1;
  size_t begin = before.rfind('\n');
  return fmt::format("line {}, column {}", line, begin == std::string_view::npos ? at + 1 : at - begin);
}

std::string around(std::string_view text, size_t at) {
  size_t begin = at > 20 ? at - 20 : 0;
  return printable(valid_utf8(text.substr(begin, 40)));
}

CallFault json_fault(FailureClass c, std::string detail) { return {c, std::move(detail)}; }

// Why a text that begins like JSON is none.
CallFault diagnose(std::string_view text, size_t begin, const ValueBuilder& builder) {
  if (builder.too_deep()) return json_fault(FailureClass::invalid_json, fmt::format("nested deeper than {} levels", kMaxJsonDepth));
  if (text[begin] == '{' || text[begin] == '[') {
    JsonSpan span = scan_json(text, begin);
    if (span.unterminated_string)
      return json_fault(FailureClass::unterminated_string, fmt::format("the string that begins at {} never ends: {}", place_of(text, span.string_begin), around(text, span.string_begin + 20)));
    if (!span.closed) return json_fault(FailureClass::invalid_json, "the text ends before the JSON does");
    std::string_view rest = text.substr(span.end);
    size_t after = rest.find_first_not_of(" \t\r\n");
    if (after != std::string_view::npos && builder.fault_at() >= span.end)
      return json_fault(FailureClass::surrounding_text, fmt::format("text follows the JSON at {}: {}", place_of(text, span.end + after), printable(valid_utf8(rest.substr(after, 40)))));
  }
  return json_fault(FailureClass::invalid_json, fmt::format("no JSON at {}: {}", place_of(text, builder.fault_at()), around(text, builder.fault_at())));
}

}  // namespace

JsonSpan scan_json(std::string_view text, size_t from) {
  JsonSpan span;
  span.begin = from;
  size_t depth = 0;
  for (size_t at = from; at < text.size(); ++at) {
    char c = text[at];
    if (c == '"') {
      span.string_begin = at;
      for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
      if (at >= text.size()) {
        span.unterminated_string = true;
        break;
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      span.end = at + 1;
      span.closed = true;
      return span;
    }
  }
  span.end = text.size();
  return span;
}

JsonReading read_json(std::string_view text) {
  JsonReading out;
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) {
    out.fault = json_fault(FailureClass::invalid_json, "the text is empty");
    return out;
  }
  ValueBuilder builder;
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  const size_t nul = text.find('\0');  // the library takes it for the end
  if (parsed && nul == std::string_view::npos) {
    out.value = builder.take();
    return out;
  }
  if (parsed) builder.fail_at(nul);
  if (text.substr(begin, 3) == "```") out.fault = json_fault(FailureClass::code_fence, "a Markdown fence surrounds it");
  else out.fault = diagnose(text, begin, builder);
  return out;
}

}  // namespace qeval
