#include "qeval/util/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

namespace qeval {
namespace fs = std::filesystem;

Result<std::string> read_file(const std::string& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return bad_input(fmt::format("{}: is a folder, a file was expected", path));
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) return bad_input(fmt::format("{}: {}", path, std::strerror(errno)));
  std::string out;
  char buffer[1 << 16];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, file.get())) out.append(buffer, n);
  if (std::ferror(file.get())) return fail(ErrorKind::environment, fmt::format("{}: reading failed", path));
  return out;
}

Result<std::string> read_file_maybe_gzip(const std::string& path, size_t max_bytes) {
  QEVAL_TRY(std::string raw, read_file(path));
  if (raw.size() < 2 || static_cast<unsigned char>(raw[0]) != 0x1f || static_cast<unsigned char>(raw[1]) != 0x8b) return raw;
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return fail(ErrorKind::internal, "zlib could not start");
  stream.next_in = reinterpret_cast<Bytef*>(raw.data());
  stream.avail_in = static_cast<uInt>(raw.size());
  std::string out;
  char buffer[1 << 16];
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    code = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - stream.avail_out);
    if (out.size() > max_bytes || (code != Z_OK && code != Z_STREAM_END)) break;
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END) return bad_input(fmt::format("{}: broken or too large gzip file", path));
  return out;
}

Status write_file_atomic(const std::string& path, std::string_view content) {
  std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  auto give_up = [&](const char* doing) {
    std::string reason = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    ::unlink(temporary.c_str());
    return fail(ErrorKind::environment, fmt::format("{}: {} failed: {}", path, doing, reason));
  };
  if (fd < 0) return give_up("creating a temporary file beside it");
  while (!content.empty()) {
    ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return give_up("writing");
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd) != 0) return give_up("syncing");
  ::close(fd);
  fd = -1;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return give_up("renaming");
  return {};
}

Status make_directories(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) return fail(ErrorKind::environment, fmt::format("{}: folder cannot be made: {}", path, ec.message()));
  return {};
}

bool file_exists(const std::string& path) {
  std::error_code ec;
  return fs::exists(path, ec);
}

std::string user_cache_dir() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg) return std::string(xdg) + "/qeval";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.cache/qeval";
  return "/tmp/qeval-cache";
}

}  // namespace qeval
