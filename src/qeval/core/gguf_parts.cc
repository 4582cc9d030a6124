#include "qeval/core/gguf_parts.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace qeval {
namespace {

constexpr std::string_view kTail = "-00001-of-00002.gguf";
constexpr int kMaxParts = 999;

bool digits(std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; }

}  // namespace

std::vector<std::string> gguf_parts(const std::string& path) {
  if (path.size() <= kTail.size()) return {path};
  std::string stem = path.substr(0, path.size() - kTail.size()), tail = path.substr(stem.size());
  std::string number = tail.substr(1, 5), total = tail.substr(10, 5);
  if (tail[0] != '-' || tail.compare(6, 4, "-of-") != 0 || tail.substr(15) != ".gguf" || !digits(number) ||
      !digits(total))
    return {path};
  int n_parts = std::atoi(total.c_str());
  if (n_parts < 1 || n_parts > kMaxParts) return {path};
  std::vector<std::string> parts;
  for (int i = 1; i <= n_parts; ++i) parts.push_back(fmt::format("{}-{:05}-of-{}.gguf", stem, i, total));
  return parts;
}

}  // namespace qeval
