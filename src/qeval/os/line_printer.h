#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace qeval {

struct LinePrinterOptions {
  int fd = 2;                                   // not owned
  std::optional<bool> terminal;                 // absent: asked of `fd`
  int width = 0;                                // columns; 0 = asked of the terminal, each time
  std::chrono::milliseconds plain_interval{10000};  // between progress lines where there is no terminal
  std::chrono::milliseconds live_interval{50};      // between redraws on a terminal
};

// Owns stderr: one live line at the bottom of a terminal, above it whatever is worth keeping; elsewhere plain lines, the
// progress at most every plain_interval. Results never pass here, they go to stdout. Thread-safe; whole lines only.
class LinePrinter {
 public:
  explicit LinePrinter(const LinePrinterOptions& options = {});
  ~LinePrinter();  // ends the live line

  // Replaces the live line. Cut to the width; the newest text is shown at the latest with the next call.
  void progress(const std::string& line);
  // Removes the live line; on a plain stream writes the last progress that was not shown yet.
  void progress_done();
  // A line that stays. May hold several lines.
  void note(const std::string& text);
  bool live() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qeval
