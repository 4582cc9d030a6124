#include "qeval/text/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qeval/text/unicode.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

constexpr size_t kMaxBytes = size_t{4} << 20;
constexpr int kMaxDepth = 128;
constexpr size_t kMaxCost = size_t{128} << 20;  // bytes, about, that the values may take after alias expansion

// Thrown inside the event handler only: yaml-cpp's callbacks cannot return an error.
struct Fault {
  YAML::Mark mark;
  std::string message;
};

// Reads scalars the way that PyYAML's implicit resolvers (YAML 1.1) match them.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(std::string_view one_of) {
    if (done() || one_of.find(text_[at_]) == std::string_view::npos) return false;
    ++at_;
    return true;
  }
  size_t take_all(std::string_view one_of) {
    size_t start = at_;
    while (take(one_of)) {}
    return at_ - start;
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool digits(size_t least, size_t most) {
    size_t n = 0;
    while (n < most && take("0123456789")) ++n;
    return n >= least;
  }
  // One or more of ":[0-5]?[0-9]"; greedy, which is exact because what may follow never starts with a digit.
  bool sexagesimal_tail() {
    size_t n = 0;
    while (peek() == ':') {
      take(":");
      char first = peek();
      if (!digits(1, 2)) return false;
      if (first > '5' && at_ >= 2 && is_ascii_digit(text_[at_ - 2])) return false;
      ++n;
    }
    return n > 0;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

constexpr std::string_view kDecimals = "0123456789", kDecimalsScore = "0123456789_";

bool looks_int(std::string_view v) {
  Cursor c(v);
  c.take("+-");
  Cursor start = c;
  if (c.take_word("0b")) return c.take_all("01_") > 0 && c.done();
  if (c.take_word("0x")) return c.take_all("0123456789abcdefABCDEF_") > 0 && c.done();
  if (c.take("0")) return (c.take_all("01234567_"), c.done());
  c = start;
  if (!c.take("123456789")) return false;
  c.take_all(kDecimalsScore);
  return c.done() || (c.sexagesimal_tail() && c.done());
}

bool exponent_or_end(Cursor c) {
  if (c.done()) return true;
  return c.take("eE") && c.take("+-") && c.take_all(kDecimals) > 0 && c.done();
}

bool looks_float(std::string_view v) {
  if (v == ".nan" || v == ".NaN" || v == ".NAN") return true;
  Cursor c(v);
  bool sign = c.take("+-");
  if (c.peek() == '.') {
    Cursor word = c;
    word.take(".");
    for (const char* inf : {"inf", "Inf", "INF"}) {
      Cursor w = word;
      if (w.take_word(inf) && w.done()) return true;
    }
    if (sign || !word.take(kDecimals)) return false;
    word.take_all(kDecimalsScore);
    return exponent_or_end(word);
  }
  if (!c.take(kDecimals)) return false;
  c.take_all(kDecimalsScore);
  if (c.peek() == ':') return c.sexagesimal_tail() && c.take(".") && (c.take_all(kDecimalsScore), c.done());
  if (!c.take(".")) return false;
  c.take_all(kDecimalsScore);
  return exponent_or_end(c);
}

std::string without_underscores(std::string_view v) {
  std::string out;
  for (char c : v)
    if (c != '_') out += c;
  return out;
}

std::optional<unsigned long long> parse_unsigned(const std::string& digits, int base) {
  if (digits.empty()) return std::nullopt;
  errno = 0;
  char* end = nullptr;
  unsigned long long value = std::strtoull(digits.c_str(), &end, base);
  if (errno != 0 || *end != '\0' || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  return value;
}

std::optional<Json> to_int(std::string_view scalar) {
  std::string v = without_underscores(scalar);
  bool negative = !v.empty() && v[0] == '-';
  if (!v.empty() && (v[0] == '-' || v[0] == '+')) v.erase(0, 1);
  std::optional<unsigned long long> value;
  if (v == "0") value = 0;
  else if (v.starts_with("0b")) value = parse_unsigned(v.substr(2), 2);
  else if (v.starts_with("0x")) value = parse_unsigned(v.substr(2), 16);
  else if (v.starts_with("0")) value = parse_unsigned(v.substr(1), 8);
  else if (v.find(':') != std::string::npos) {
    value = 0;
    std::stringstream parts(v);
    for (std::string part; value && std::getline(parts, part, ':');) {
      auto digit = parse_unsigned(part, 10);
      if (!digit || *value > (std::numeric_limits<unsigned long long>::max() - *digit) / 60) value.reset();
      else *value = *value * 60 + *digit;
    }
  } else {
    value = parse_unsigned(v, 10);
  }
  if (!value) return std::nullopt;
  if (!negative) return *value <= INT64_MAX ? Json(static_cast<int64_t>(*value)) : Json(static_cast<uint64_t>(*value));
  if (*value > static_cast<unsigned long long>(INT64_MAX) + 1) return std::nullopt;
  return Json(static_cast<int64_t>(-*value));
}

Json to_float(std::string_view scalar) {
  std::string v = without_underscores(scalar);
  double sign = !v.empty() && v[0] == '-' ? -1 : 1;
  if (!v.empty() && (v[0] == '-' || v[0] == '+')) v.erase(0, 1);
  if (v.size() == 4 && v[0] == '.' && !is_ascii_digit(v[1]))
    return v[1] == 'i' || v[1] == 'I' ? sign * std::numeric_limits<double>::infinity()
                                      : std::numeric_limits<double>::quiet_NaN();
  if (v.find(':') == std::string::npos) return sign * std::strtod(v.c_str(), nullptr);
  double value = 0;
  std::stringstream parts(v);
  for (std::string part; std::getline(parts, part, ':');) value = value * 60 + std::strtod(part.c_str(), nullptr);
  return sign * value;
}

std::optional<bool> to_bool(std::string_view v) {
  for (const char* word : {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
    if (v == word) return true;
  for (const char* word : {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
    if (v == word) return false;
  return std::nullopt;
}

bool is_null(std::string_view v) {
  return v.empty() || v == "~" || v == "null" || v == "Null" || v == "NULL";
}

// A plain scalar. Dates stay text: that is what a template would print of Python's date.
Json resolve_plain(const YAML::Mark& mark, const std::string& v) {
  if (is_null(v)) return nullptr;
  if (auto truth = to_bool(v)) return *truth;
  if (looks_float(v)) return to_float(v);
  if (looks_int(v)) {
    if (auto value = to_int(v)) return *value;
    throw Fault{mark, fmt::format("the integer {} is out of range; quote it if it is text", v.substr(0, 60))};
  }
  return v;
}

Json resolve_tagged(const YAML::Mark& mark, const std::string& tag, const std::string& v) {
  constexpr std::string_view kCore = "tag:yaml.org,2002:";
  if (tag == "!function") {
    Json hook = Json::object();
    hook["!function"] = v;
    return hook;
  }
  std::string core = tag.starts_with(kCore) ? tag.substr(kCore.size()) : "";
  if (core == "str") return v;
  if (core == "null") return nullptr;
  if (core == "bool") {
    if (auto truth = to_bool(v)) return *truth;
  } else if (core == "int") {
    if (looks_int(v))
      if (auto value = to_int(v)) return *value;
  } else if (core == "float") {
    if (looks_float(v) || looks_int(v)) return to_float(v);
  } else {
    throw Fault{mark, fmt::format("the tag {} is not supported (only !function and YAML's plain types are)",
                                  core.empty() ? tag : "!!" + core)};
  }
  throw Fault{mark, fmt::format("\"{}\" is no !!{}", v.substr(0, 60), core)};
}

// Reads the quoted scalar that starts at text[at] with YAML's folding and escapes. yaml-cpp finds where a scalar starts
// and ends, but drops blank lines before the closing quote and writes \\_ and \\N as bytes that are no UTF-8.
class QuotedScalar {
 public:
  QuotedScalar(std::string_view text, size_t at) : text_(text), at_(at + 1), double_(text[at] == '"') {}

  std::optional<std::string> read() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        space();
      } else if (!double_ && c == '\'' && text_.substr(at_, 2) == "''") {
        out_ += '\'';
        at_ += 2;
      } else if (c == (double_ ? '"' : '\'')) {
        return std::move(out_);
      } else if (double_ && c == '\\') {
        if (!escape()) return std::nullopt;
      } else {
        out_ += c;
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  bool line_break() {
    if (at_ >= text_.size() || (text_[at_] != '\n' && text_[at_] != '\r')) return false;
    at_ += text_.substr(at_, 2) == "\r\n" ? 2 : 1;
    return true;
  }
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  size_t further_breaks() {
    size_t n = 0;
    for (blanks(); line_break(); blanks()) ++n;
    return n;
  }
  void space() {
    size_t start = at_;
    blanks();
    std::string_view white = text_.substr(start, at_ - start);
    if (!line_break()) {
      out_ += white;
      return;
    }
    size_t n = further_breaks();
    out_ += n == 0 ? std::string(" ") : std::string(n, '\n');
  }
  bool hex(size_t n) {
    uint32_t point = 0;
    for (size_t i = 0; i < n; ++i, ++at_) {
      if (at_ >= text_.size() || !std::isxdigit(static_cast<unsigned char>(text_[at_]))) return false;
      point = point * 16 + static_cast<uint32_t>(std::stoi(std::string(1, text_[at_]), nullptr, 16));
    }
    if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
    put(point);
    return true;
  }
  void put(uint32_t p) {
    if (p < 0x80) {
      out_ += static_cast<char>(p);
      return;
    }
    int n = p < 0x800 ? 1 : p < 0x10000 ? 2 : 3;
    out_ += static_cast<char>((n == 1 ? 0xC0 : n == 2 ? 0xE0 : 0xF0) | (p >> (6 * n)));
    while (n-- > 0) out_ += static_cast<char>(0x80 | ((p >> (6 * n)) & 0x3F));
  }
  bool escape() {
    ++at_;
    if (line_break()) {
      out_.append(further_breaks(), '\n');
      return true;
    }
    if (at_ >= text_.size()) return false;
    char c = text_[at_++];
    if (c == 'x') return hex(2);
    if (c == 'u') return hex(4);
    if (c == 'U') return hex(8);
    constexpr std::string_view kNames = "0abt\tnvfre \"/\\N_LP";
    constexpr uint32_t kPoints[] = {0,    7,   8,   9,    9,    10,   11,     12,    13,
                                    0x1B, ' ', '"', '/', '\\', 0x85, 0xA0, 0x2028, 0x2029};
    size_t which = kNames.find(c);
    if (which == std::string_view::npos) return false;
    put(kPoints[which]);
    return true;
  }

  std::string_view text_;
  size_t at_;
  bool double_;
  std::string out_;
};

// Mapping keys become JSON's strings as Python's str() would print them.
std::string key_text(const YAML::Mark& mark, const Json& key) {
  if (key.is_string()) return key.get<std::string>();
  if (key.is_null()) return "None";
  if (key.is_boolean()) return key.get<bool>() ? "True" : "False";
  if (key.is_number()) return key.dump();
  throw Fault{mark, "a mapping key must be a plain value, not a list or mapping"};
}

struct Value {
  Json json;
  size_t cost = 0;
  int depth = 1;
};

struct Frame {
  bool is_map = false;
  YAML::anchor_t anchor = 0;
  Value value;
  std::vector<std::pair<std::string, Json>> items;     // maps, in order
  std::vector<std::pair<std::string, Json>> merged;    // from `<<`, weaker than items and before them
  std::optional<std::string> key;
  bool key_is_merge = false;
};

// Builds Json from yaml-cpp's events: they carry marks and tags, and need no recursion here.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string_view source) : source_(source) {}

  bool finished = false;
  Json result;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override { finished = true; }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, {nullptr, 16, 1}, anchor, false); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw Fault{mark, "an alias inside the value that it names"};
    charge(mark, it->second.cost);
    if (static_cast<int>(stack_.size()) + it->second.depth > kMaxDepth) throw Fault{mark, too_deep()};
    add(mark, it->second, 0, false, true);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& v) override {
    bool plain = tag == "?" || tag.empty();
    if (plain) return add(mark, {resolve_plain(mark, v), 32 + v.size(), 1}, anchor, v == "<<");
    std::string text = quoted(mark).value_or(v);
    add(mark, {tag == "!" ? Json(text) : resolve_tagged(mark, tag, text), 32 + text.size(), 1}, anchor, false);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(mark, tag, "seq", anchor, false);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(mark, tag, "map", anchor, true);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapEnd() override { pop(); }

 private:
  // The scalar at `mark` read again, where it is a quoted one; a tag and an anchor may stand before it.
  std::optional<std::string> quoted(const YAML::Mark& mark) const {
    size_t at = static_cast<size_t>(std::max(mark.pos, 0));
    for (int i = 0; i < 2 && at < source_.size() && (source_[at] == '!' || source_[at] == '&'); ++i) {
      at = source_.find_first_of(" \t\r\n", at);
      at = source_.find_first_not_of(" \t\r\n", std::min(at, source_.size()));
    }
    if (at >= source_.size() || (source_[at] != '"' && source_[at] != '\'')) return std::nullopt;
    return QuotedScalar(source_, at).read();
  }

  static std::string too_deep() { return fmt::format("nested deeper than {}", kMaxDepth); }

  void charge(const YAML::Mark& mark, size_t cost) {
    cost_ += cost;
    if (cost_ > kMaxCost) throw Fault{mark, "the values are too large (aliases expanded)"};
  }

  void push(const YAML::Mark& mark, const std::string& tag, const char* kind, YAML::anchor_t anchor, bool is_map) {
    bool standard = tag.empty() || tag == "?" || tag == "!" || tag == std::string("tag:yaml.org,2002:") + kind;
    if (!standard) throw Fault{mark, fmt::format("the tag {} is not supported here", tag)};
    if (static_cast<int>(stack_.size()) >= kMaxDepth) throw Fault{mark, too_deep()};
    marks_.push_back(mark);
    Frame frame;
    frame.is_map = is_map;
    frame.anchor = anchor;
    frame.value.cost = 64;
    if (!is_map) frame.value.json = Json::array();
    stack_.push_back(std::move(frame));
  }

  void pop() {
    Frame frame = std::move(stack_.back());
    YAML::Mark mark = marks_.back();
    stack_.pop_back();
    marks_.pop_back();
    if (frame.is_map) frame.value.json = object_of(frame);
    add(mark, std::move(frame.value), frame.anchor, false);
  }

  // The last of equal keys wins at the first one's place. Filled through the underlying vector: a lookup in the
  // ordered map is linear, and hostile files have many keys.
  static Json object_of(Frame& frame) {
    std::unordered_map<std::string, size_t> at;
    std::vector<std::pair<std::string, Json>> kept;
    for (auto* list : {&frame.merged, &frame.items})
      for (auto& [key, value] : *list) {
        auto [it, fresh] = at.emplace(key, kept.size());
        if (fresh) kept.emplace_back(key, std::move(value));
        else kept[it->second].second = std::move(value);
      }
    Json object = Json::object();
    auto& map = object.get_ref<Json::object_t&>();
    using Items = Json::object_t::Container;
    for (auto& [key, value] : kept) static_cast<Items&>(map).emplace_back(key, std::move(value));
    return object;
  }

  void merge(const YAML::Mark& mark, Frame& frame, const Json& value) {
    auto take = [&](const Json& map) {
      if (!map.is_object()) throw Fault{mark, "<< takes a mapping or a list of mappings"};
      for (const auto& [key, item] : map.items()) frame.merged.emplace_back(key, item);
    };
    if (!value.is_array()) return take(value);
    for (auto it = value.rbegin(); it != value.rend(); ++it) take(*it);
  }

  void add(const YAML::Mark& mark, Value value, YAML::anchor_t anchor, bool is_merge_key, bool charged = false) {
    if (!charged) charge(mark, value.cost);
    if (anchor != 0) anchors_[anchor] = value;
    if (stack_.empty()) {
      result = std::move(value.json);
      return;
    }
    Frame& top = stack_.back();
    top.value.depth = std::max(top.value.depth, value.depth + 1);
    top.value.cost += value.cost;
    if (!top.is_map) {
      top.value.json.push_back(std::move(value.json));
    } else if (!top.key) {
      top.key_is_merge = is_merge_key;
      top.key = key_text(mark, value.json);
    } else {
      if (top.key_is_merge) merge(mark, top, value.json);
      else top.items.emplace_back(std::move(*top.key), std::move(value.json));
      top.key.reset();
    }
  }

  std::string_view source_;
  std::vector<Frame> stack_;
  std::vector<YAML::Mark> marks_;
  std::map<YAML::anchor_t, Value> anchors_;
  size_t cost_ = 0;
};

tl::unexpected<Error> fault(const std::string& file, const YAML::Mark& mark, const std::string& message) {
  if (mark.is_null()) return bad_input(fmt::format("{}: {}", file, message));
  return bad_input(fmt::format("{}:{}:{}: {}", file, mark.line + 1, mark.column + 1, message));
}

}  // namespace

Result<Json> parse_yaml(std::string_view text, const std::string& file) {
  if (text.size() > kMaxBytes) return bad_input(fmt::format("{}: larger than {} MiB", file, kMaxBytes >> 20));
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  // As PyYAML; and the marks of yaml-cpp count what it replaces, so that they would not fit the text.
  if (std::string valid = valid_utf8(text); valid != text || text.find('\0') != std::string_view::npos) {
    size_t at = std::min(text.find('\0'), static_cast<size_t>(std::mismatch(text.begin(), text.end(), valid.begin(), valid.end()).first - text.begin()));
    auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
    return bad_input(fmt::format("{}:{}: not UTF-8 text", file, line));
  }
  Builder builder(text);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return Json(nullptr);
    Builder second(text);
    if (parser.HandleNextDocument(second))
      return bad_input(fmt::format("{}: holds more than one YAML document", file));
  } catch (const Fault& f) {
    return fault(file, f.mark, f.message);
  } catch (const YAML::Exception& e) {
    return fault(file, e.mark, e.msg);
  } catch (const std::exception& e) {
    return bad_input(fmt::format("{}: {}", file, e.what()));
  }
  return std::move(builder.result);
}

int yaml_key_line(std::string_view text, const std::string& key) {
  int line = 0;
  while (!text.empty()) {
    ++line;
    size_t end = text.find('\n');
    std::string_view row = text.substr(0, end);
    for (std::string_view quote : {"", "\"", "'"}) {
      std::string start = fmt::format("{}{}{}", quote, key, quote);
      if (!row.starts_with(start)) continue;
      size_t colon = row.find_first_not_of(" \t", start.size());
      if (colon != std::string_view::npos && row[colon] == ':') return line;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return 0;
}

}  // namespace qeval
