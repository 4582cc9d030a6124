#include <algorithm>
#include <cstdint>
#include <vector>

#include "qeval/scorer/ifeval_checks.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

constexpr size_t kMaxLevels = 990, kMaxDigits = 4300;

bool is_hex(char c) { return is_ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool read() {
    while (true) {
      skip_space();
      if (!value()) return false;
      // A value is complete: close what ends here, or go on to the next.
      while (true) {
        skip_space();
        if (open_.empty()) return at_ == text_.size();
        if (take(',')) break;
        if (!take(open_.back())) return false;
        open_.pop_back();
      }
      if (open_.back() == '}' && !key()) return false;
    }
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  // A value, or the beginning of one with its first member: opens and goes on until something stands complete.
  bool value() {
    while (true) {
      skip_space();
      if (take('{')) {
        skip_space();
        if (take('}')) return true;
        if (!push('}') || !key()) return false;
      } else if (take('[')) {
        skip_space();
        if (take(']')) return true;
        if (!push(']')) return false;
      } else {
        return scalar();
      }
    }
  }

  bool push(char close) {
    open_.push_back(close);
    return open_.size() <= kMaxLevels;
  }

  bool key() {
    skip_space();
    if (!string()) return false;
    skip_space();
    return take(':');
  }

  bool scalar() {
    if (peek() == '"') return string();
    for (std::string_view word : {"true", "false", "null", "NaN", "Infinity", "-Infinity"})
      if (take(word)) return true;
    return number();
  }

  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool escape() {
    char c = peek();
    ++at_;
    if (c != 'u') return c != '\0' && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++at_)
      if (!is_hex(peek())) return false;
    return true;
  }

  size_t digits() {
    size_t from = at_;
    while (is_ascii_digit(peek())) ++at_;
    return at_ - from;
  }

  bool number() {
    take('-');
    if (!take('0')) {
      size_t n = digits();
      if (n == 0) return false;
      bool whole = !(peek() == '.' && is_ascii_digit(after_dot())) && !exponent_follows();
      if (whole && n > kMaxDigits) return false;
    }
    if (peek() == '.' && is_ascii_digit(after_dot())) {
      ++at_;
      digits();
    }
    if (exponent_follows()) {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    return true;
  }

  char after_dot() const { return at_ + 1 < text_.size() ? text_[at_ + 1] : '\0'; }
  bool exponent_follows() const {
    if (peek() != 'e' && peek() != 'E') return false;
    size_t at = at_ + 1;
    if (at < text_.size() && (text_[at] == '+' || text_[at] == '-')) ++at;
    return at < text_.size() && is_ascii_digit(text_[at]);
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<char> open_;
};

}  // namespace

bool is_python_json(std::string_view text) { return JsonReader(text).read(); }

}  // namespace qeval
