#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "qeval/store/writer.h"

namespace qeval {

// Who holds a lease. A pid alone may be reused, after a reboot or by another process, or mean another process in
// another container.
struct ProcessIdentity {
  std::string host, boot_id, pid_namespace;
  int64_t pid = 0;
  int64_t pid_start = 0;  // clock ticks after boot, /proc/PID/stat field 22
};
ProcessIdentity this_process();
// 0: no such process, or one that only waits to be reaped.
int64_t process_start(int64_t pid);

struct LeaseHolder {
  ProcessIdentity process;
  int64_t heartbeat_ms = 0;
};
// Certain where its process can be looked up; else it lives as long as its heartbeat is fresh.
bool may_be_alive(const LeaseHolder& holder, const ProcessIdentity& self, int64_t now_ms);

constexpr int64_t kHeartbeatMs = 5'000;
constexpr int64_t kHeartbeatStaleMs = 60'000;

// The leases of one store object. Thread-safe.
class LeaseKeeper {
 public:
  LeaseKeeper(Writer* writer, std::string path);
  ~LeaseKeeper();  // releases all
  Status take(int64_t run);
  void release(int64_t run);

 private:
  void loop();

  Writer* writer_;
  std::string path_;
  std::string token_;  // tells this object from others of the same process
  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<int64_t> held_;  // guarded by mutex_
  bool stop_ = false;       // guarded by mutex_
  std::thread thread_;      // started by the first take()
};

std::string random_hex(size_t n_bytes);

}  // namespace qeval
