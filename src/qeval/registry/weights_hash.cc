#include "qeval/registry/weights_hash.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "qeval/core/gguf_parts.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"
#include "qeval/util/json.h"

namespace qeval {
namespace {
namespace fs = std::filesystem;

bool is_sha256(const std::string& name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The hub names a large file's blob by its SHA-256.
std::string hub_blob(const std::string& path) {
  std::error_code ec;
  fs::path target = fs::canonical(path, ec);
  if (ec || target.parent_path().filename() != "blobs" || !is_sha256(target.filename().string())) return "";
  return target.filename().string();
}

Result<std::string> fingerprint(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) return bad_input(fmt::format("{}: {}", path, std::strerror(errno)));
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
                     s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

Json read_memory(const std::string& cache_file) {
  if (auto text = read_file(cache_file))
    if (auto json = parse_json(*text); json && json->is_object()) return *json;
  return Json::object();
}

std::string joined_hash(const std::vector<std::string>& hashes) {
  if (hashes.size() == 1) return hashes[0];
  std::string joined;
  for (const std::string& hash : hashes) joined += hash + "\n";
  return sha256_hex(joined);
}

Result<std::string> hash_file(const std::string& path, const std::function<bool(double)>& progress) {
  std::ifstream file(path, std::ios::binary);
  std::error_code ec;
  double total = static_cast<double>(fs::file_size(path, ec)), done = 0;
  if (!file) return bad_input(fmt::format("{}: cannot be read", path));
  Sha256 hash;
  std::vector<char> buffer(4 << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hash.update({buffer.data(), static_cast<size_t>(file.gcount())});
    done += static_cast<double>(file.gcount());
    if (progress && total > 0 && !progress(done / total)) return fail(ErrorKind::interrupted, "interrupted");
  }
  if (file.bad()) return fail(ErrorKind::environment, fmt::format("{}: reading failed", path));
  return hash.hex();
}

}  // namespace

Result<std::string> weights_sha256(const std::string& path, const std::string& cache_file, bool rehash,
                                   const std::function<bool(double)>& progress) {
  std::vector<std::string> parts = gguf_parts(path);
  for (size_t i = 0; i < parts.size(); ++i)
    if (!file_exists(parts[i]))
      return bad_input(parts.size() == 1 ? fmt::format("{}: no such file", path)
                                         : fmt::format("{}: part {} of {} is missing: {}", path, i + 1, parts.size(), parts[i]));
  Json remembered = read_memory(cache_file);
  std::vector<std::string> hashes;
  bool changed = false;
  for (const std::string& part : parts) {
    std::string hash = rehash ? "" : hub_blob(part);
    QEVAL_TRY(std::string key, fingerprint(part));
    if (hash.empty() && !rehash) hash = json_string(remembered, key);
    if (hash.empty()) {
      QEVAL_TRY(hash, hash_file(part, progress));
      remembered[key] = hash;
      changed = true;
    }
    hashes.push_back(hash);
  }
  if (changed) {
    // A cache that cannot be written costs time, not correctness.
    if (make_directories(fs::path(cache_file).parent_path().string()))
      (void)write_file_atomic(cache_file, dump_json(remembered, 1));
  }
  return joined_hash(hashes);
}

std::string known_weights_sha256(const std::string& path, const std::string& cache_file) {
  Json remembered = read_memory(cache_file);
  std::vector<std::string> hashes;
  for (const std::string& part : gguf_parts(path)) {
    std::string hash = hub_blob(part);
    if (auto key = fingerprint(part); hash.empty() && key) hash = json_string(remembered, *key);
    if (hash.empty()) return "";
    hashes.push_back(hash);
  }
  return joined_hash(hashes);
}

Result<int64_t> forget_weights_sha256(const std::string& cache_file) {
  auto n = static_cast<int64_t>(read_memory(cache_file).size());
  std::error_code ec;
  fs::remove(cache_file, ec);
  if (ec) return fail(ErrorKind::environment, fmt::format("{}: {}", cache_file, ec.message()));
  return n;
}

std::string weights_hash_memory() { return user_cache_dir() + "/hashes.json"; }

}  // namespace qeval
