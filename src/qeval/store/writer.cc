#include "qeval/store/writer.h"

#include <algorithm>

namespace qeval {
namespace {

constexpr size_t kMaxBatch = 512;                             // short transactions: other processes write, too
constexpr auto kSyncWithin = std::chrono::milliseconds(800);  // leaves time for the sync itself

}  // namespace

Writer::Writer(std::unique_ptr<Database> db) : db_(std::move(db)), thread_([this] { loop(); }) {}

Writer::~Writer() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Status Writer::run(const Job& job) {
  Pending pending;
  pending.job = &job;
  return wait_for(&pending);
}

Status Writer::flush() {
  Pending pending;
  return wait_for(&pending);
}

Status Writer::wait_for(Pending* pending) {
  std::unique_lock lock(mutex_);
  queue_.push_back(pending);
  wake_.notify_one();
  done_.wait(lock, [&] { return pending->done; });
  return std::move(pending->status);
}

void Writer::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    auto ready = [&] { return stop_ || !queue_.empty(); };
    if (dirty_)
      wake_.wait_until(lock, sync_due_, ready);
    else
      wake_.wait(lock, ready);
    if (queue_.empty() && stop_) break;
    std::deque<Pending*> batch;
    while (!queue_.empty() && batch.size() < kMaxBatch) {
      batch.push_back(queue_.front());
      queue_.pop_front();
    }
    lock.unlock();
    bool sync_wanted = std::any_of(batch.begin(), batch.end(), [](const Pending* p) { return !p->job; });
    if (!batch.empty()) commit_batch(&batch);
    sync_if_due(sync_wanted);
    lock.lock();
    for (Pending* pending : batch) {
      if (!pending->job && pending->status) pending->status = sync_status_;
      pending->done = true;
    }
    if (!batch.empty()) done_.notify_all();
  }
  lock.unlock();
  sync_if_due(true);
  db_.reset();
}

void Writer::commit_batch(std::deque<Pending*>* batch) {
  std::deque<Pending*> jobs;
  std::copy_if(batch->begin(), batch->end(), std::back_inserter(jobs), [](const Pending* p) { return p->job; });
  if (jobs.empty()) return;
  // After a failed sync nothing is promised anew until one works.
  if (!sync_status_) sync_if_due(true);
  Status status = sync_status_ ? try_batch(jobs) : sync_status_;
  if (!status && (!sync_status_ || status.error().kind == ErrorKind::unavailable)) {
    for (Pending* pending : jobs) pending->status = status;
    return;
  }
  if (!status && jobs.size() > 1) {
    // One job may be what the disk has no room for; the others get their own chance.
    for (Pending* pending : jobs) {
      if (Status alone = try_batch({pending}); !alone) pending->status = alone;
    }
    return;
  }
  if (!status) jobs.front()->status = status;
}

// Fails only as a whole; a job's own error is in its Pending.
Status Writer::try_batch(const std::deque<Pending*>& batch) {
  return db_->guarded([&]() -> Status {
    TransactionGuard transaction(*db_, true);
    for (Pending* pending : batch) {
      pending->status = run_savepoint(*pending->job);
      if (!db_->in_transaction())
        return pending->status ? fail(ErrorKind::internal, "transaction lost") : pending->status;
    }
    transaction.commit();
    if (!dirty_) sync_due_ = SteadyClock::now() + kSyncWithin;
    dirty_ = true;
    return {};
  });
}

Status Writer::run_savepoint(const Job& job) {
  return db_->guarded([&]() -> Status {
    db_->exec("SAVEPOINT job");
    Status status = db_->guarded([&] { return job(*db_); });
    // A full disk may have ended the whole transaction.
    if (!db_->in_transaction()) return status;
    if (!status) db_->exec("ROLLBACK TO job");
    db_->exec("RELEASE job");
    return status;
  });
}

void Writer::sync_if_due(bool now) {
  if (!dirty_ || (!now && SteadyClock::now() < sync_due_)) return;
  sync_status_ = db_->sync_wal();
  dirty_ = !sync_status_.has_value();
  if (dirty_) sync_due_ = SteadyClock::now() + kSyncWithin;
}

}  // namespace qeval
