#pragma once

#include <string>
#include <string_view>

#include "qeval/util/result.h"

namespace qeval {

// Errors name the path and the system's reason.
Result<std::string> read_file(const std::string& path);
// Gunzips where the content starts with the gzip magic; else as read_file. `max_bytes` bounds what a bomb may cost.
Result<std::string> read_file_maybe_gzip(const std::string& path, size_t max_bytes = size_t{2} << 30);
// All or nothing: a temporary beside `path`, fsync, rename. On failure the old file is unchanged.
Status write_file_atomic(const std::string& path, std::string_view content);
Status make_directories(const std::string& path);
bool file_exists(const std::string& path);

// $XDG_CACHE_HOME/qeval or ~/.cache/qeval.
std::string user_cache_dir();

}  // namespace qeval
