#include "qeval/core/reasoning.h"

namespace qeval {

std::string after_reasoning(std::string_view text, std::string_view end_token) {
  constexpr std::string_view kStart = "<think>", kEnd = "</think>", kSpace = " \t\r\n\v\f";
  std::string_view end = end_token.empty() ? kEnd : end_token;
  size_t stop = text.rfind(end);
  size_t start = text.rfind(kStart);
  bool open = start != std::string_view::npos && (stop == std::string_view::npos || stop < start);
  // Only a text that begins by reasoning is cut off inside it; later the words are quoted.
  if (open && text.find_first_not_of(kSpace) == start) return "";
  if (stop == std::string_view::npos) return std::string(text);
  text.remove_prefix(stop + end.size());
  size_t first = text.find_first_not_of(kSpace);
  return first == std::string_view::npos ? "" : std::string(text.substr(first));
}

}  // namespace qeval
