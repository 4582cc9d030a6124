#pragma once

#include <string>

namespace qeval {

// Progress and notes on stderr; results go to stdout through fmt::print. Thread-safe.
class Console {
 public:
  virtual ~Console() = default;
  virtual void progress(const std::string& line) = 0;  // live on a terminal, a plain line every 10 s elsewhere
  virtual void progress_done() = 0;                    // clears the live line
  virtual void note(const std::string& line) = 0;
  virtual bool live() const = 0;                       // stderr is a terminal: progress replaces itself
  virtual bool colours() const = 0;                    // stdout is a terminal and NO_COLOR is unset
};
Console& console();

}  // namespace qeval
