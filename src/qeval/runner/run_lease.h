#pragma once

#include <utility>

#include "qeval/store/store.h"

namespace qeval {

// Holds the lease of a run until it goes out of scope, whichever way.
class RunLease {
 public:
  // Error: unavailable where another live process holds it.
  static Result<RunLease> take(Store& store, RunId run) {
    QEVAL_CHECK(store.lease(run));
    return RunLease(&store, run);
  }
  RunLease(RunLease&& other) noexcept : store_(std::exchange(other.store_, nullptr)), run_(other.run_) {}
  RunLease& operator=(RunLease&&) = delete;
  ~RunLease() {
    if (store_) store_->release(run_);
  }

 private:
  RunLease(Store* store, RunId run) : store_(store), run_(run) {}
  Store* store_;
  RunId run_;
};

}  // namespace qeval
