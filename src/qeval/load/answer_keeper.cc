#include "qeval/load/answer_keeper.h"

#include <fmt/format.h>

#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr size_t kBatch = 256;

}  // namespace

AnswerKeeper::AnswerKeeper(Store& store, RunId run, std::string task, std::string key_prefix, size_t max_waiting)
    : store_(store), run_(run), task_(std::move(task)), key_prefix_(std::move(key_prefix)), max_waiting_(max_waiting), thread_([this] { work(); }) {}

AnswerKeeper::~AnswerKeeper() { (void)finish(); }

Status AnswerKeeper::put(int64_t index, const LoadItem& item, const Response& response) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return waiting_.size() < max_waiting_ || !status_; });
  if (!status_) return status_;
  waiting_.push_back({index, item, response});
  if (waiting_.size() == 1) wake_.notify_one();
  return {};
}

Status AnswerKeeper::finish() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  return status_;
}

void AnswerKeeper::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::vector<Answer> batch;
    while (!waiting_.empty() && batch.size() < kBatch) {
      batch.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    lock.unlock();
    Status stored = store(batch);
    lock.lock();
    if (!stored && status_) status_ = stored;
    room_.notify_all();
  }
}

Status AnswerKeeper::store(std::vector<Answer>& batch) {
  std::vector<NewResponse> rows;
  std::vector<std::string> keys;
  keys.reserve(batch.size());
  for (Answer& answer : batch) {
    keys.push_back(sha256_hex(fmt::format("{}:{}", key_prefix_, answer.index)));
    rows.push_back({{task_, answer.index, 0}, keys.back(), &answer.item.request, &answer.response});
    if (!answer.item.sample) continue;
    Sample sample = *answer.item.sample;
    sample.doc_id = answer.index;
    sample.requests = {answer.item.request};
    QEVAL_CHECK(store_.put_sample(run_, task_, sample));
  }
  return store_.put_responses(run_, rows);
}

}  // namespace qeval
