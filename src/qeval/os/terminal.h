#pragma once

#include <string>
#include <string_view>

namespace qeval {

bool is_terminal(int fd);
// Columns, from the terminal itself, else $COLUMNS, else `fallback`.
int terminal_width(int fd, int fallback = 80);
// A terminal, NO_COLOR unset or empty (https://no-color.org), TERM not "dumb".
bool wants_colour(int fd);
// Cut to `columns` on a code point, with "…" where something was lost; escape sequences, line ends and other control
// characters become spaces. Counts one column a code point.
std::string fit_to_width(std::string_view text, int columns);

}  // namespace qeval
