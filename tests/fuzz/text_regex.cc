#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "qeval/text/regex.h"
#include "qeval/text/unicode.h"

// Pattern, replacement and subject, separated by null bytes. Replacing every match by itself changes nothing, and the
// pieces of findall agree with those of sub.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view in(reinterpret_cast<const char*>(data), size);
  size_t first = in.find('\0'), second = first == std::string_view::npos ? first : in.find('\0', first + 1);
  if (second == std::string_view::npos) return 0;
  std::string_view pattern = in.substr(0, first), replacement = in.substr(first + 1, second - first - 1);
  std::string_view subject = in.substr(second + 1);
  if (subject.size() > 2000) return 0;
  auto regex = qeval::Regex::compile(pattern);
  if (!regex) return 0;
  (void)regex->sub(replacement, subject);
  (void)regex->split(subject);
  (void)regex->match(subject);
  auto found = regex->search(subject);
  if (found && *found) {
    std::string clean = qeval::valid_utf8(subject);
    const auto& m = **found;
    if (m.end < m.begin || m.end > clean.size() || clean.substr(m.begin, m.end - m.begin) != *m.groups[0]) std::abort();
  }
  auto same = regex->sub("\\g<0>", subject);
  if (same && *same != qeval::valid_utf8(subject)) std::abort();
  auto all = regex->findall(subject);
  auto marked = regex->sub("", subject, 1);
  if (all && marked && found && found->has_value() == all->empty()) std::abort();
  return 0;
}
