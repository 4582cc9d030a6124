#pragma once

#include <chrono>
#include <mutex>
#include <string>

namespace qeval {

// Owns stderr: one live progress line on a terminal; elsewhere plain lines, at most one every ten seconds.
// Text must be printable already. Thread-safe.
class LinePrinter {
 public:
  LinePrinter();
  void progress(const std::string& line);
  void progress_done();                    // clears the live line
  void note(const std::string& line);      // stays
  bool is_terminal() const { return terminal_; }

 private:
  std::mutex mutex_;
  bool terminal_;
  bool live_ = false;
  std::chrono::steady_clock::time_point last_plain_{};
};

bool stdout_has_colours();  // stdout is a terminal, NO_COLOR is unset, TERM is not dumb

}  // namespace qeval
