#include "qeval/os/line_printer.h"

#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "qeval/os/terminal.h"
#include "qeval/util/clock.h"

namespace qeval {

struct LinePrinter::State {
  LinePrinterOptions options;
  bool live = false;
  std::mutex mutex;
  std::string current;      // newest progress
  bool shown = true;        // `current` has been written
  bool drawn = false;       // the live line is on the screen
  std::optional<SteadyClock::time_point> last;

  void write_all(std::string_view text) {
    while (!text.empty()) {
      ssize_t n = ::write(options.fd, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;  // a broken stderr loses messages, not the run
      text.remove_prefix(static_cast<size_t>(n));
    }
  }
  bool due(std::chrono::milliseconds interval) const { return !last || SteadyClock::now() - *last >= interval; }
  void draw() {
    int width = options.width > 0 ? options.width : terminal_width(options.fd);
    // The last column stays free: a full line would wrap on some terminals.
    write_all("\r" + fit_to_width(current, width - 1) + "\x1b[K");
    drawn = shown = true;
    last = SteadyClock::now();
  }
  void erase() {
    if (drawn) write_all("\r\x1b[K");
    drawn = false;
  }
};

LinePrinter::LinePrinter(const LinePrinterOptions& options) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->live = options.terminal.value_or(is_terminal(options.fd));
}

LinePrinter::~LinePrinter() { state_->erase(); }

bool LinePrinter::live() const { return state_->live; }

void LinePrinter::progress(const std::string& line) {
  State& s = *state_;
  std::lock_guard lock(s.mutex);
  if (line == s.current && (s.shown || s.live) && s.drawn == s.live) return;
  s.current = line;
  s.shown = false;
  if (!s.due(s.live ? s.options.live_interval : s.options.plain_interval)) return;
  if (s.live) return s.draw();
  s.write_all(fit_to_width(line, 10000) + "\n");
  s.shown = true;
  s.last = SteadyClock::now();
}

void LinePrinter::progress_done() {
  State& s = *state_;
  std::lock_guard lock(s.mutex);
  s.erase();
  if (!s.live && !s.shown) s.write_all(fit_to_width(s.current, 10000) + "\n");
  s.current.clear();
  s.shown = true;
  s.last.reset();
}

void LinePrinter::note(const std::string& text) {
  State& s = *state_;
  std::lock_guard lock(s.mutex);
  bool redraw = s.drawn;
  s.erase();
  s.write_all(text.ends_with('\n') ? text : text + "\n");
  if (redraw) s.draw();
}

}  // namespace qeval
