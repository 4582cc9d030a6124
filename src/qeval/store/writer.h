#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "qeval/store/database.h"
#include "qeval/util/clock.h"

namespace qeval {

// Group commit. One thread owns the writing connection; whatever waits when a transaction starts goes into it, and each
// caller returns when it is committed: written to the log, so that SIGKILL cannot lose it. The log is synced to the
// disk within a second of the first commit that is not there yet.
class Writer {
 public:
  using Job = std::function<Status(Database&)>;

  explicit Writer(std::unique_ptr<Database> db);
  ~Writer();  // waits for what is queued, syncs
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Blocks until `job` is committed or rolled back. A failing job takes no other one with it, unless the disk does.
  // Jobs run on the writer's thread and must not call the writer. Thread-safe.
  Status run(const Job& job);
  // As run(), then everything committed so far is synced. Thread-safe.
  Status flush();

 private:
  struct Pending {
    const Job* job = nullptr;  // null: only a sync is wanted
    Status status;
    bool done = false;
  };
  Status wait_for(Pending* pending);
  void loop();
  void commit_batch(std::deque<Pending*>* batch);
  Status try_batch(const std::deque<Pending*>& batch);
  Status run_savepoint(const Job& job);
  void sync_if_due(bool now);

  std::unique_ptr<Database> db_;  // the thread's alone after construction
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<Pending*> queue_;  // guarded by mutex_
  bool stop_ = false;           // guarded by mutex_
  // The thread's alone:
  bool dirty_ = false;  // commits that are not synced
  SteadyClock::time_point sync_due_{};
  Status sync_status_;  // of the last sync
  std::thread thread_;
};

}  // namespace qeval
