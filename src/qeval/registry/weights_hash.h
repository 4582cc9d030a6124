#pragma once

#include <functional>
#include <string>

#include "qeval/util/result.h"

namespace qeval {

// SHA-256 of the weights: of the file, or of its parts' hashes joined. Taken from the hub cache's blob name where the
// file is a link to one; else computed and remembered in `cache_file` by device, inode, size and times, which
// `rehash` distrusts. `progress` gets 0..1; false stops. Errors: a part that is missing; interrupted.
Result<std::string> weights_sha256(const std::string& path, const std::string& cache_file, bool rehash,
                                   const std::function<bool(double)>& progress);

// What weights_sha256 would answer without reading the file; "" = it would have to.
std::string known_weights_sha256(const std::string& path, const std::string& cache_file);
// Returns how many it forgot. Error: the file cannot be removed.
Result<int64_t> forget_weights_sha256(const std::string& cache_file);
// The user's own `cache_file`.
std::string weights_hash_memory();

}  // namespace qeval
