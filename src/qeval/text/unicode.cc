#include "qeval/text/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <iterator>

#include "qeval/text/case_tables.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

template <typename F>
void for_each(std::string_view utf8, F&& f) {
  for (size_t i = 0; i < utf8.size();) {
    Decoded d = decode_utf8(utf8, i);
    f(d, utf8.substr(i, d.n_bytes));
    i += d.n_bytes;
  }
}

template <size_t N>
const SpecialCase* find_special(const SpecialCase (&table)[N], uint32_t c) {
  auto it = std::lower_bound(std::begin(table), std::end(table), c,
                             [](const SpecialCase& row, uint32_t v) { return row.code_point < v; });
  return it != std::end(table) && it->code_point == c ? &*it : nullptr;
}

void append_mapped(std::string& out, const SpecialCase& row) {
  for (uint32_t m : row.mapped)
    if (m) append_utf8(out, m);
}

void append_upper(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (const SpecialCase* row = find_special(kSpecialUpper, c)) {
    append_mapped(out, *row);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_title(std::string& out, uint32_t c) {
  if (const SpecialCase* row = find_special(kSpecialTitle, c))
    append_mapped(out, *row);
  else
    append_utf8(out, static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
}

bool is_case_ignorable(uint32_t c) {
  switch (c) {
    case '\'': case '.': case ':': case 0xB7: case 0x387: case 0x55F: case 0x5F4: case 0x2018: case 0x2019:
    case 0x2024: case 0x2027: case 0xFE13: case 0xFE52: case 0xFE55: case 0xFF07: case 0xFF0E: case 0xFF1A:
      return true;
    default: break;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
  }
}

// Lower-cases a text, so that a capital sigma at a word's end becomes the final form (Unicode's Final_Sigma). What
// stands before a sigma is remembered and what follows is looked up once per run, so the whole stays linear.
class LowerCaser {
 public:
  explicit LowerCaser(std::string_view text) : text_(text) {}

  void append(std::string& out, const Decoded& d, size_t at) {
    uint32_t c = d.code_point;
    if (c < 0x80) {
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (c == 0x3A3) {
      append_utf8(out, after_cased_ && !before_cased(at + d.n_bytes) ? 0x3C2 : 0x3C3);
    } else if (c == 0x130) {
      out += "i\xCC\x87";
    } else {
      append_utf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
    see(c);
  }
  void see(uint32_t c) {
    if (!is_case_ignorable(c)) after_cased_ = py_is_cased(c);
  }

 private:
  bool before_cased(size_t at) {
    if (at < known_until_) return known_;
    size_t i = at;
    known_ = false;
    while (i < text_.size()) {
      Decoded d = decode_utf8(text_, i);
      i += d.n_bytes;
      if (is_case_ignorable(d.code_point)) continue;
      known_ = py_is_cased(d.code_point);
      break;
    }
    known_until_ = i;
    return known_;
  }

  std::string_view text_;
  bool after_cased_ = false;
  bool known_ = false;
  size_t known_until_ = 0;
};

std::vector<uint32_t> sorted_set(std::string_view chars) {
  std::vector<uint32_t> set = code_points(chars);
  std::sort(set.begin(), set.end());
  return set;
}

size_t lstrip_begin(std::string_view s, std::string_view chars) {
  std::vector<uint32_t> set = sorted_set(chars);
  size_t i = 0;
  while (i < s.size()) {
    Decoded d = decode_utf8(s, i);
    bool cut = chars.empty() ? d.valid && py_is_space(d.code_point)
                             : std::binary_search(set.begin(), set.end(), d.code_point);
    if (!cut) break;
    i += d.n_bytes;
  }
  return i;
}

// Start of the character that ends at `end`; an invalid byte is a character of its own.
size_t previous_char(std::string_view s, size_t end) {
  for (size_t back = 1; back <= 4 && back <= end; ++back) {
    if ((static_cast<unsigned char>(s[end - back]) & 0xC0) == 0x80) continue;
    Decoded d = decode_utf8(s.substr(0, end), end - back);
    if (d.n_bytes == back) return end - back;
    break;
  }
  return end - 1;
}

size_t rstrip_end(std::string_view s, std::string_view chars) {
  std::vector<uint32_t> set = sorted_set(chars);
  size_t end = s.size();
  while (end > 0) {
    size_t begin = previous_char(s, end);
    Decoded d = decode_utf8(s.substr(0, end), begin);
    bool cut = chars.empty() ? d.valid && py_is_space(d.code_point)
                             : std::binary_search(set.begin(), set.end(), d.code_point);
    if (!cut) break;
    end = begin;
  }
  return end;
}

// Everything that could move the cursor, hide text or reorder it; joiners inside emoji stay.
bool is_unsafe(uint32_t c) {
  if (c == '\n' || c == '\t' || c == 0x200D || c == 0x200C) return false;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return true;
    default: return false;
  }
}

}  // namespace

size_t n_code_points(std::string_view utf8) {
  size_t n = 0;
  for (size_t i = 0; i < utf8.size(); ++n) i += decode_utf8(utf8, i).n_bytes;
  return n;
}

std::vector<uint32_t> code_points(std::string_view utf8) {
  std::vector<uint32_t> out;
  out.reserve(utf8.size());
  for_each(utf8, [&](const Decoded& d, std::string_view) { out.push_back(d.code_point); });
  return out;
}

std::string to_utf8(const std::vector<uint32_t>& points) {
  std::string out;
  out.reserve(points.size());
  for (uint32_t c : points) append_utf8(out, c);
  return out;
}

std::string valid_utf8(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return std::string(bytes);
  std::string out;
  out.reserve(bytes.size() + 16);
  for_each(bytes, [&](const Decoded& d, std::string_view raw) { d.valid ? out.append(raw) : out.append("\xEF\xBF\xBD"); });
  return out;
}

std::string py_lower(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  LowerCaser lower(utf8);
  for (size_t i = 0; i < utf8.size();) {
    Decoded d = decode_utf8(utf8, i);
    lower.append(out, d, i);
    i += d.n_bytes;
  }
  return out;
}

std::string py_upper(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  for_each(utf8, [&](const Decoded& d, std::string_view) { append_upper(out, d.code_point); });
  return out;
}

std::string py_capitalize(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  LowerCaser lower(utf8);
  for (size_t i = 0; i < utf8.size();) {
    Decoded d = decode_utf8(utf8, i);
    if (i == 0) {
      append_title(out, d.code_point);
      lower.see(d.code_point);
    } else {
      lower.append(out, d, i);
    }
    i += d.n_bytes;
  }
  return out;
}

std::string py_title(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  LowerCaser lower(utf8);
  bool previous_cased = false;
  for (size_t i = 0; i < utf8.size();) {
    Decoded d = decode_utf8(utf8, i);
    if (previous_cased) {
      lower.append(out, d, i);
    } else {
      append_title(out, d.code_point);
      lower.see(d.code_point);
    }
    previous_cased = py_is_cased(d.code_point);
    i += d.n_bytes;
  }
  return out;
}

std::string py_swapcase(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  LowerCaser lower(utf8);
  for (size_t i = 0; i < utf8.size();) {
    Decoded d = decode_utf8(utf8, i);
    if (py_is_upper(d.code_point)) {
      lower.append(out, d, i);
    } else {
      py_is_lower(d.code_point) ? append_upper(out, d.code_point) : append_utf8(out, d.code_point);
      lower.see(d.code_point);
    }
    i += d.n_bytes;
  }
  return out;
}

std::string py_strip(std::string_view utf8, std::string_view chars) {
  std::string_view head = utf8.substr(0, rstrip_end(utf8, chars));
  return std::string(head.substr(lstrip_begin(head, chars)));
}
std::string py_lstrip(std::string_view utf8, std::string_view chars) {
  return std::string(utf8.substr(lstrip_begin(utf8, chars)));
}
std::string py_rstrip(std::string_view utf8, std::string_view chars) {
  return std::string(utf8.substr(0, rstrip_end(utf8, chars)));
}

bool py_is_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string printable(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for_each(bytes, [&](const Decoded& d, std::string_view raw) {
    uint32_t c = d.code_point;
    if (!d.valid) {
      for (char b : raw) fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(b));
    } else if (!is_unsafe(c)) {
      out.append(raw);
    } else {
      append_escape(out, c);
    }
  });
  return out;
}

size_t display_width(std::string_view utf8) {
  size_t width = 0;
  for_each(utf8, [&](const Decoded& d, std::string_view) {
    int w = d.valid ? utf8proc_charwidth(static_cast<utf8proc_int32_t>(d.code_point)) : 1;
    width += static_cast<size_t>(std::max(w, 0));
  });
  return width;
}

}  // namespace qeval
