#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "qeval/store/database.h"

namespace qeval {

// Reading connections, made as threads need them. Thread-safe; a lent connection is its borrower's alone.
class ReaderPool {
 public:
  explicit ReaderPool(std::string path) : path_(std::move(path)) {}

  // `work` takes Database& and returns a Result or Status; its exceptions become errors. With `snapshot`, everything
  // it reads is of one moment.
  template <typename F>
  auto read(F&& work, bool snapshot = false) -> std::invoke_result_t<F, Database&> {
    auto db = take();
    if (!db) return fail(db.error());
    auto result = (*db)->guarded([&]() -> std::invoke_result_t<F, Database&> {
      if (!snapshot) return work(**db);
      TransactionGuard transaction(**db, false);
      return work(**db);
    });
    give_back(std::move(*db));
    return result;
  }

 private:
  Result<std::unique_ptr<Database>> take() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto db = std::move(idle_.back());
        idle_.pop_back();
        return db;
      }
    }
    return Database::open(path_, true, false);
  }
  void give_back(std::unique_ptr<Database> db) {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(db));
  }

  std::string path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Database>> idle_;  // guarded by mutex_
};

}  // namespace qeval
