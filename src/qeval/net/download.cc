#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "qeval/net/curl_transfer.h"
#include "qeval/net/http_client.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr int kMaxAttempts = 20;  // a transfer that gets on may be cut this often

// The file that grows beside the final one. Locked for as long as the object lives.
class PartFile {
 public:
  PartFile(std::string path, const HttpProgress& progress) : path_(std::move(path)), progress_(progress) {}
  ~PartFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  Status open() {
    while (true) {
      fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      if (fd_ < 0) return broken("opening");
      while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return broken("locking");
        if (progress_ && !progress_(0, -1))
          return fail(ErrorKind::interrupted, path_ + ": stopped while another process downloads it");
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      struct stat ours {
      }, named{};
      bool same = ::fstat(fd_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
                  ours.st_dev == named.st_dev;
      if (same) return {};
      ::close(fd_);  // its last owner finished and renamed it
    }
  }

  // Hashes what lies there.
  Status read_rest() {
    reset();
    std::unique_ptr<char[]> buffer(new char[kBuffer]);
    while (true) {
      ssize_t n = ::pread(fd_, buffer.get(), kBuffer, size_);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return broken("reading");
      if (n == 0) return {};
      hash_->update({buffer.get(), static_cast<size_t>(n)});
      size_ += n;
    }
  }

  Status clear() {
    reset();
    return ::ftruncate(fd_, 0) == 0 ? Status() : broken("emptying");
  }

  bool append(std::string_view bytes) {
    hash_->update(bytes);
    while (!bytes.empty()) {
      ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), size_);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        failure_ = broken("writing");
        return false;
      }
      size_ += n;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  Status move_to(const std::string& path) {
    if (::fsync(fd_) != 0) return broken("syncing");
    if (::rename(path_.c_str(), path.c_str()) != 0) return broken("renaming");
    return {};
  }

  void remove() { ::unlink(path_.c_str()); }
  std::string take_hash() { return hash_->hex(); }
  int64_t size() const { return size_; }
  const Status& failure() const { return failure_; }
  void set_failure(Status status) { failure_ = std::move(status); }

 private:
  static constexpr size_t kBuffer = size_t{1} << 20;
  void reset() {
    hash_ = std::make_unique<Sha256>();
    size_ = 0;
  }
  Status broken(const char* doing) const {
    return fail(ErrorKind::environment, fmt::format("{}: {} failed: {}", path_, doing, std::strerror(errno)));
  }
  std::string path_;
  const HttpProgress& progress_;
  int fd_ = -1;
  int64_t size_ = 0;
  std::unique_ptr<Sha256> hash_;
  Status failure_;
};

enum class Step { complete, again_fresh, again };

class Downloader {
 public:
  explicit Downloader(const DownloadRequest& request)
      : request_(request), part_(request.path + ".incomplete", request.http.progress) {}

  Result<Download> run() {
    QEVAL_CHECK(part_.open());
    if (file_exists(request_.path)) return finished_by_another();
    if (request_.sha256.empty()) QEVAL_CHECK(part_.clear());
    QEVAL_CHECK(part_.read_rest());
    if (request_.size >= 0 && part_.size() > request_.size) QEVAL_CHECK(part_.clear());
    resumed_ = part_.size() > 0;
    return attempts();
  }

 private:
  Result<Download> attempts() {
    int idle = 0;
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      int64_t before = part_.size();
      bool whole = request_.size >= 0 && before == request_.size;
      QEVAL_TRY(Step step, whole ? Result<Step>(Step::complete) : transfer(idle < request_.http.retries));
      if (step == Step::complete) {
        QEVAL_TRY(bool good, verified());
        if (good) return Download{hash_, part_.size(), resumed_};
      }
      if (step == Step::again && part_.size() > before)
        idle = 0;
      else
        ++idle;
      if (step == Step::again_fresh || step == Step::complete || request_.sha256.empty()) {
        QEVAL_CHECK(part_.clear());
        resumed_ = false;
      }
      if (!back_off(idle, request_.http.progress))
        return fail(ErrorKind::interrupted,
                    redacted_url(request_.http.url) + ": stopped; the same command goes on from here");
    }
    return fail(ErrorKind::unavailable,
                fmt::format("{}: cut off {} times", redacted_url(request_.http.url), kMaxAttempts));
  }

  Result<Step> transfer(bool may_repeat) {
    CurlOutcome outcome;
    CurlTransfer transfer{&request_.http, part_.size(), nullptr, nullptr};
    transfer.on_start = [this](const HttpResponse& response) { return started(response); };
    transfer.on_body = [this](std::string_view bytes) { return part_.append(bytes); };
    Status status = curl_perform(transfer, outcome);
    QEVAL_CHECK(part_.failure());
    long code = outcome.response.status;
    if (!status) {
      bool passing = status.error().kind == ErrorKind::unavailable && outcome.connected;
      if (passing && may_repeat) return Step::again;
      return fail(status.error());
    }
    if (code == 416 && resumed_) return Step::again_fresh;
    if (code == 200 || code == 206) return Step::complete;
    Error error = http_status_error(code, request_.http.url);
    if (error.kind == ErrorKind::unavailable && may_repeat) return Step::again;
    return fail(std::move(error));
  }

  bool started(const HttpResponse& response) {
    if (response.status == 206) {
      std::string wanted = fmt::format("bytes {}-", part_.size());
      if (response.header("content-range").starts_with(wanted)) return true;
      part_.set_failure(fail(ErrorKind::unavailable, fmt::format("{}: the server sent another range than asked for",
                                                                 redacted_url(request_.http.url))));
      return false;
    }
    if (response.status != 200) return false;
    if (part_.size() == 0) return true;
    resumed_ = false;  // the server has no ranges: from the start
    Status cleared = part_.clear();
    part_.set_failure(cleared);
    return cleared.has_value();
  }

  // False: a continued file is wrong and worth a fresh attempt.
  Result<bool> verified() {
    hash_ = part_.take_hash();
    bool size_ok = request_.size < 0 || part_.size() == request_.size;
    if (size_ok && (request_.sha256.empty() || hash_ == request_.sha256)) {
      QEVAL_CHECK(part_.move_to(request_.path));
      return true;
    }
    if (resumed_) return false;
    part_.remove();
    std::string what = size_ok ? fmt::format("SHA-256 {} was expected, the data has {}", request_.sha256, hash_)
                               : fmt::format("{} bytes were expected, {} came", request_.size, part_.size());
    return fail(ErrorKind::environment, fmt::format("{}: {}; nothing was kept", redacted_url(request_.http.url), what));
  }

  Result<Download> finished_by_another() {
    part_.remove();
    QEVAL_TRY(std::string hash, sha256_file(request_.path));
    if (!request_.sha256.empty() && hash != request_.sha256)
      return fail(ErrorKind::environment,
                  fmt::format("{}: is there already with SHA-256 {}, {} was expected; remove it to download again",
                              request_.path, hash, request_.sha256));
    struct stat info {};
    ::stat(request_.path.c_str(), &info);
    return Download{hash, static_cast<int64_t>(info.st_size), false};
  }

  const DownloadRequest& request_;
  PartFile part_;
  bool resumed_ = false;
  std::string hash_;
};

}  // namespace

Result<Download> http_download(const DownloadRequest& request) {
  size_t slash = request.path.rfind('/');
  if (slash != std::string::npos && slash > 0) QEVAL_CHECK(make_directories(request.path.substr(0, slash)));
  return Downloader(request).run();
}

}  // namespace qeval
