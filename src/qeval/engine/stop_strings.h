#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qeval {

// Finds stop strings in text that grows piece by piece; a stop may straddle pieces. Only the new text and a tail of
// (longest stop − 1) bytes are searched at each step. Bytes, not code points. Not thread-safe.
class StopScanner {
 public:
  StopScanner() = default;
  explicit StopScanner(const std::vector<std::string>& stops);  // empty strings are ignored

  struct Hit {
    size_t position = 0;  // byte offset in the text where the stop string begins
    std::string stop;
  };
  // `text` is the whole text so far and extends what the last call saw. The earliest beginning wins, then the order
  // of the list. After a hit the scanner is spent.
  std::optional<Hit> scan(std::string_view text);

 private:
  std::vector<std::string> stops_;
  size_t longest_ = 0;
  size_t seen_ = 0;
};

}  // namespace qeval
