#include "qeval/os/line_printer.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace qeval {
namespace {

constexpr auto kPlainEvery = std::chrono::seconds(10);

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// The first `columns` code points: a progress line must not wrap.
std::string fit(const std::string& line, size_t columns) {
  size_t n = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if ((line[i] & 0xC0) != 0x80 && n++ == columns) return line.substr(0, i);
  }
  return line;
}

void write_all(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

LinePrinter::LinePrinter() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void LinePrinter::progress(const std::string& line) {
  std::lock_guard lock(mutex_);
  if (terminal_) {
    write_all("\r\x1b[2K" + fit(line, terminal_width() - 1));
    live_ = true;
    return;
  }
  auto now = std::chrono::steady_clock::now();
  if (now - last_plain_ < kPlainEvery) return;
  last_plain_ = now;
  write_all(line + "\n");
}

void LinePrinter::progress_done() {
  std::lock_guard lock(mutex_);
  if (live_) write_all("\r\x1b[2K");
  live_ = false;
}

void LinePrinter::note(const std::string& line) {
  std::lock_guard lock(mutex_);
  if (live_) write_all("\r\x1b[2K");
  live_ = false;
  write_all(line + "\n");
}

bool stdout_has_colours() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && !std::getenv("NO_COLOR") && !(term && std::strcmp(term, "dumb") == 0);
}

}  // namespace qeval
