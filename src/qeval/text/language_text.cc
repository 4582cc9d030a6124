#include "qeval/text/language_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace qeval {
namespace {

constexpr size_t kMaxCharacters = 10000;

bool is_alnum(uint32_t c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_any_of(uint32_t c, std::string_view set) { return c < 128 && set.find(static_cast<char>(c)) != set.npos; }
bool is_address(uint32_t c) { return is_alnum(c) || is_any_of(c, "-_.?&~;+=/#"); }
bool is_mail(uint32_t c) { return is_alnum(c) || is_any_of(c, "-_."); }
bool is_mail_host(uint32_t c) { return is_alnum(c) || is_any_of(c, "-_"); }

size_t run_length(const std::vector<uint32_t>& text, size_t from, size_t most, bool (*wanted)(uint32_t)) {
  size_t n = 0;
  while (n < most && from + n < text.size() && wanted(text[from + n])) ++n;
  return n;
}

// https?://[-_.?&~;+=/#0-9A-Za-z]{1,2076} becomes a space.
std::vector<uint32_t> without_addresses(const std::vector<uint32_t>& text) {
  static const std::vector<uint32_t> http = {'h', 't', 't', 'p'}, slashes = {':', '/', '/'};
  auto has = [&](size_t at, const std::vector<uint32_t>& word) {
    return at + word.size() <= text.size() && std::equal(word.begin(), word.end(), text.begin() + static_cast<ptrdiff_t>(at));
  };
  std::vector<uint32_t> out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t at = i;
    if (text[i] == 'h' && has(i, http)) {
      at += http.size();
      if (at < text.size() && text[at] == 's') ++at;
      size_t n = has(at, slashes) ? run_length(text, at + slashes.size(), 2076, is_address) : 0;
      if (n > 0) {
        out.push_back(' ');
        i = at + slashes.size() + n;
        continue;
      }
    }
    out.push_back(text[i++]);
  }
  return out;
}

// [-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255} becomes a space.
std::vector<uint32_t> without_mail(const std::vector<uint32_t>& text) {
  std::vector<uint32_t> out;
  out.reserve(text.size());
  size_t n_local = 0;  // characters of a possible local part at the end of `out`
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '@' && n_local > 0) {
      size_t host = run_length(text, i + 1, 255, is_mail_host);
      size_t rest = host > 0 ? run_length(text, i + 1 + host, 255, is_mail) : 0;
      if (rest > 0 || host > 1) {
        out.resize(out.size() - std::min<size_t>(n_local, 64));
        out.push_back(' ');
        i += 1 + host + rest;
        n_local = 0;
        continue;
      }
    }
    n_local = is_mail(text[i]) ? n_local + 1 : 0;
    out.push_back(text[i++]);
  }
  return out;
}

bool takes_mark(uint32_t c) {
  static const std::vector<uint32_t> letters = code_points("AEIOUYaeiouyÂÊÔâêôĂăƠơƯư");
  return std::find(letters.begin(), letters.end(), c) != letters.end();
}

bool is_mark(uint32_t c) { return c == 0x300 || c == 0x301 || c == 0x303 || c == 0x309 || c == 0x323; }

uint32_t composed(uint32_t letter, uint32_t mark) {
  utf8proc_int32_t pair[2] = {static_cast<utf8proc_int32_t>(letter), static_cast<utf8proc_int32_t>(mark)};
  utf8proc_ssize_t n = utf8proc_normalize_utf32(pair, 2, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  return n == 1 ? static_cast<uint32_t>(pair[0]) : letter;
}

void compose_vietnamese(std::vector<uint32_t>& text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    bool pair = i + 1 < text.size() && is_mark(text[i + 1]) && takes_mark(text[i]);
    text[n++] = pair ? composed(text[i], text[i + 1]) : text[i];
    if (pair) ++i;
  }
  text.resize(n);
}

bool between(uint32_t c, uint32_t first, uint32_t last) { return c >= first && c <= last; }

}  // namespace

std::vector<uint32_t> text_for_language(std::string_view utf8) {
  std::vector<uint32_t> text = without_mail(without_addresses(code_points(utf8)));
  compose_vietnamese(text);
  std::vector<uint32_t> out;
  uint32_t before = 0;
  size_t n_latin = 0, n_other = 0;
  for (size_t i = 0; i < std::min(text.size(), kMaxCharacters); ++i) {
    uint32_t c = text[i];
    if (c != ' ' || before != ' ') {
      out.push_back(c);
      if (between(c, 'A', 'z')) ++n_latin;
      else if (c >= 0x300) ++n_other;
    }
    before = c;
  }
  if (n_latin * 2 < n_other) std::erase_if(out, [](uint32_t c) { return between(c, 'A', 'z'); });
  return out;
}

uint32_t language_character(uint32_t c, const std::unordered_map<uint32_t, uint32_t>& ideographs) {
  if (c < 0x80) return between(c, 'A', 'Z') || between(c, 'a', 'z') ? c : ' ';
  if (c < 0x100) return c == 0xA0 || c == 0xAB || c == 0xB0 || c == 0xBB ? ' ' : c;
  if (c == 0x219) return 0x15F;                      // Romanian s and t: comma below as cedilla
  if (c == 0x21B) return 0x163;
  if (c == 0x6CC) return 0x64A;                      // Persian yeh as Arabic yeh
  if (between(c, 0x1EA0, 0x1EFF)) return 0x1EC3;     // Vietnamese letters
  if (between(c, 0x2000, 0x206F)) return ' ';        // general punctuation
  if (between(c, 0x3040, 0x309F)) return 0x3042;     // hiragana
  if (between(c, 0x30A0, 0x30FF)) return 0x30A2;     // katakana
  if (between(c, 0x3100, 0x312F) || between(c, 0x31A0, 0x31BF)) return 0x3105;  // bopomofo
  if (between(c, 0xAC00, 0xD7AF)) return 0xAC00;     // hangul
  if (!between(c, 0x4E00, 0x9FFF)) return c;
  auto group = ideographs.find(c);
  return group == ideographs.end() ? c : group->second;
}

std::unordered_map<uint32_t, uint32_t> ideograph_groups(std::string_view messages) {
  std::unordered_map<uint32_t, uint32_t> out;
  for (size_t at = 0; at < messages.size();) {
    size_t end = std::min(messages.find('\n', at), messages.size());
    std::string_view line = messages.substr(at, end - at);
    at = end + 1;
    size_t equals = line.find('=');
    if (!line.starts_with("NGram.KANJI_") || equals == line.npos) continue;
    uint32_t first = 0;
    for (size_t u = line.find("\\u", equals); u != line.npos; u = line.find("\\u", u + 2)) {
      uint32_t c = 0;
      std::string_view digits = line.substr(u + 2, 4);
      if (digits.size() != 4 || std::from_chars(digits.data(), digits.data() + 4, c, 16).ptr != digits.data() + 4) continue;
      if (first == 0) first = c;
      out[c] = first;
    }
  }
  return out;
}

}  // namespace qeval
