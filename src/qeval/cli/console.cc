#include "qeval/cli/console.h"

#include "qeval/os/line_printer.h"
#include "qeval/os/terminal.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

class TerminalConsole final : public Console {
 public:
  void progress(const std::string& line) override { printer_.progress(printable(line)); }
  void progress_done() override { printer_.progress_done(); }
  void note(const std::string& line) override { printer_.note(printable(line)); }
  bool live() const override { return printer_.live(); }
  bool colours() const override { return wants_colour(1); }

 private:
  LinePrinter printer_;
};

}  // namespace

Console& console() {
  static TerminalConsole instance;
  return instance;
}

}  // namespace qeval
