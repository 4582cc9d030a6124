#include "qeval/store/lease.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <vector>

#include "qeval/util/clock.h"

namespace qeval {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string link_target(const char* path) {
  char buffer[256];
  ssize_t n = ::readlink(path, buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
}

Error held_by(const std::string& path, int64_t run, const LeaseHolder& holder, const ProcessIdentity& self,
              int64_t now_ms) {
  const ProcessIdentity& p = holder.process;
  bool here = p.host == self.host && p.pid_namespace == self.pid_namespace;
  std::string place = here ? "" : fmt::format(" on {}", p.host);
  std::string stop =
      here ? fmt::format("stop it (kill -INT {})", p.pid) : fmt::format("stop it there (kill -INT {})", p.pid);
  return {ErrorKind::unavailable,
          fmt::format("{}: run {} is being worked on by process {}{} (last sign of life {:.0f} s ago); wait for it, "
                      "{}, or start a run of its own with --fresh",
                      path, run, p.pid, place,
                      static_cast<double>(std::max<int64_t>(0, now_ms - holder.heartbeat_ms)) / 1000, stop)};
}

}  // namespace

std::string random_hex(size_t n_bytes) {
  std::random_device device;
  std::string out;
  for (size_t i = 0; i < n_bytes; ++i) out += fmt::format("{:02x}", device() & 0xff);
  return out;
}

int64_t process_start(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string stat((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The name, in parentheses, may hold anything.
  size_t end = stat.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream rest(stat.substr(end + 1));
  std::vector<std::string> fields{std::istream_iterator<std::string>(rest), std::istream_iterator<std::string>()};
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return 0;
  return std::strtoll(fields[19].c_str(), nullptr, 10);
}

ProcessIdentity this_process() {
  ProcessIdentity self;
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) == 0) self.host = host;
  self.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  self.pid_namespace = link_target("/proc/self/ns/pid");
  self.pid = ::getpid();
  self.pid_start = process_start(self.pid);
  return self;
}

bool may_be_alive(const LeaseHolder& holder, const ProcessIdentity& self, int64_t now_ms) {
  const ProcessIdentity& p = holder.process;
  bool fresh = now_ms - holder.heartbeat_ms < kHeartbeatStaleMs;
  if (p.host != self.host) return fresh;
  if (p.boot_id != self.boot_id) return false;
  if (p.pid_namespace != self.pid_namespace || p.pid_namespace.empty()) return fresh;
  return p.pid_start != 0 && process_start(p.pid) == p.pid_start;
}

LeaseKeeper::LeaseKeeper(Writer* writer, std::string path)
    : writer_(writer), path_(std::move(path)), token_(random_hex(16)) {}

LeaseKeeper::~LeaseKeeper() {
  std::set<int64_t> held;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    held = held_;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (int64_t run : held) release(run);
}

Status LeaseKeeper::take(int64_t run) {
  ProcessIdentity self = this_process();
  QEVAL_CHECK(writer_->run([&](Database& db) -> Status {
    int64_t now = utc_now_ms();
    {
      Query query(db,
                  "SELECT token, host, boot_id, pid_namespace, pid, pid_start, heartbeat_ms FROM leases WHERE run = ?",
                  run);
      if (query.step() && query.text(0) != token_) {
        LeaseHolder holder{{query.text(1), query.text(2), query.text(3), query.integer(4), query.integer(5)},
                           query.integer(6)};
        if (may_be_alive(holder, self, now)) return fail(held_by(path_, run, holder, self, now));
      }
    }
    Query(db,
          "INSERT OR REPLACE INTO leases (run, token, host, boot_id, pid_namespace, pid, pid_start, heartbeat_ms) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          run, token_, self.host, self.boot_id, self.pid_namespace, self.pid, self.pid_start, now)
        .run();
    return {};
  }));
  std::lock_guard lock(mutex_);
  held_.insert(run);
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  return {};
}

void LeaseKeeper::release(int64_t run) {
  {
    std::lock_guard lock(mutex_);
    if (held_.erase(run) == 0) return;
  }
  // A failure leaves a lease that ends with this process.
  (void)writer_->run([&](Database& db) -> Status {
    Query(db, "DELETE FROM leases WHERE run = ? AND token = ?", run, token_).run();
    return {};
  });
}

void LeaseKeeper::loop() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::milliseconds(kHeartbeatMs), [&] { return stop_; })) {
    std::set<int64_t> held = held_;
    lock.unlock();
    // A missed renewal is harmless: on this host the process itself is the proof.
    (void)writer_->run([&](Database& db) -> Status {
      for (int64_t run : held)
        Query(db, "UPDATE leases SET heartbeat_ms = ? WHERE run = ? AND token = ?", utc_now_ms(), run, token_).run();
      return {};
    });
    lock.lock();
  }
}

}  // namespace qeval
