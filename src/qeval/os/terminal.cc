#include "qeval/os/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace qeval {

bool is_terminal(int fd) { return isatty(fd) == 1; }

int terminal_width(int fd, int fallback) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const char* columns = std::getenv("COLUMNS"))
    if (int n = std::atoi(columns); n > 0 && n < 10000) return n;
  return fallback;
}

bool wants_colour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return is_terminal(fd) && !(no_colour && *no_colour) && !(term && std::string_view(term) == "dumb");
}

std::string fit_to_width(std::string_view text, int columns) {
  std::string out;
  int used = 0;
  size_t last_start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    bool continues = (c & 0xC0) == 0x80;
    if (!continues && used == columns) {
      out.resize(last_start);
      if (columns > 0) out += "…";
      return out;
    }
    if (!continues) {
      last_start = out.size();
      ++used;
    }
    out += c < 0x20 || c == 0x7F ? ' ' : text[i];
  }
  return out;
}

}  // namespace qeval
