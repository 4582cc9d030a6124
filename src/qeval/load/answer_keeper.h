#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "qeval/load/workload.h"
#include "qeval/store/store.h"

namespace qeval {

// Stores the answers of a level from a thread of its own, many in one transaction, so that the thread that sends never
// waits for the disk. put() blocks only when `max_waiting` answers are behind. Thread-safe.
class AnswerKeeper {
 public:
  // Keys are made of `key_prefix`, which must be unique in the store, and the question's number.
  AnswerKeeper(Store& store, RunId run, std::string task, std::string key_prefix, size_t max_waiting = 20000);
  ~AnswerKeeper();  // as finish()
  AnswerKeeper(const AnswerKeeper&) = delete;
  AnswerKeeper& operator=(const AnswerKeeper&) = delete;

  Status put(int64_t index, const LoadItem& item, const Response& response);  // the first error that storing met
  Status finish();                                                            // everything put is stored

 private:
  struct Answer {
    int64_t index = 0;
    LoadItem item;
    Response response;
  };
  void work();
  Status store(std::vector<Answer>& batch);

  Store& store_;
  RunId run_;
  std::string task_, key_prefix_;
  size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_, room_;
  std::deque<Answer> waiting_;
  Status status_;
  bool stop_ = false;
  std::thread thread_;  // last
};

}  // namespace qeval
