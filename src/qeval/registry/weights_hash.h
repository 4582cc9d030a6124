#pragma once

#include <functional>
#include <string>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// All parts of a GGUF, in order: `path` alone, or NAME-00001-of-0000N.gguf … where it is the first of a split file.
// Error: a part that is missing.
Result<std::vector<std::string>> weights_files(const std::string& path);

// SHA-256 of the weights: of the file, or of its parts' hashes joined. Taken from the hub cache's blob name where the
// file is a link to one; else computed and remembered in `cache_file` by device, inode, size and times, which
// `rehash` distrusts. `progress` gets 0..1.
Result<std::string> weights_sha256(const std::string& path, const std::string& cache_file, bool rehash,
                                   const std::function<void(double)>& progress);

}  // namespace qeval
