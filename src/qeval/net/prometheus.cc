#include "qeval/net/prometheus.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

namespace qeval {
namespace {

// A label may hold spaces, braces and escaped quotes.
bool split_line(std::string_view line, std::string_view& name, double& value) {
  size_t end = line.find_first_of("{ ");
  if (end == std::string_view::npos || end == 0) return false;
  name = line.substr(0, end);
  if (line[end] == '{') {
    bool quoted = false;
    size_t i = end + 1;
    for (; i < line.size() && (quoted || line[i] != '}'); ++i) {
      if (line[i] == '\\' && quoted) ++i;
      else if (line[i] == '"') quoted = !quoted;
    }
    if (i >= line.size()) return false;
    end = i + 1;
  }
  std::string number(line.substr(std::min(end, line.size()), 64));
  char* stop = nullptr;
  value = std::strtod(number.c_str(), &stop);
  return stop != number.c_str() && std::isfinite(value);
}

}  // namespace

void for_each_metric(std::string_view text, const std::function<void(std::string_view name, double value)>& take) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view name;
    double value = 0;
    if (split_line(line, name, value)) take(name, value);
  }
}

}  // namespace qeval
