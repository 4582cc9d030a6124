#pragma once

#include <string>
#include <vector>

#include "qeval/store/rows.h"

// Rows of runs, samples and scores.
namespace qeval {

struct PreparedSample {
  int64_t doc_id = 0;
  std::string doc_hash;
  PreparedText content;
  std::vector<PreparedRequest> requests;
};
Result<PreparedSample> prepare_sample(const Sample& sample);
// Questions that are answered already stay as they are.
void put_sample_rows(Database& db, int64_t run_task, const PreparedSample& sample);
int64_t intern_doc(Database& db, const PreparedText& content, const std::string& doc_hash);

struct ScoreRow {
  std::string filter;
  int failure_class = 0;
  std::string extracted, explanation, metrics, details;
  bool operator==(const ScoreRow&) const = default;
};
struct ScoreSet {
  int64_t attempt = 0;
  int scorer_version = 0;
  std::string backend;
  int64_t created_ms = 0;
  std::vector<ScoreRow> rows;
  bool same_verdict(const ScoreSet& other) const {
    return scorer_version == other.scorer_version && backend == other.backend && rows == other.rows;
  }
};
ScoreRow score_row(const Score& score);
Result<Score> score_from(Database& db, const ScoreRow& row);
int64_t current_attempt(Database& db, int64_t run_task, int64_t doc_id);
// All attempts (attempt = 0) or one, oldest first.
std::vector<ScoreSet> read_score_sets(Database& db, int64_t run_task, int64_t doc_id, int64_t attempt);
// As the newest attempt; `make_current` unless it is older than the current one.
void add_score_set(Database& db, int64_t run_task, int64_t doc_id, const ScoreSet& set, bool make_current);

// The whole record but for `task`.
Result<SampleRecord> read_sample(Database& db, int64_t run_task, int64_t doc_id);
std::optional<int64_t> find_task_row(Database& db, RunId run, const std::string& task);

Result<std::vector<RunRecord>> read_runs(Database& db, RunId id);  // 0: all, oldest first
int64_t insert_run(Database& db, const RunRecord& run, const std::string& uid);
Result<std::vector<TaskRecord>> read_tasks(Database& db, RunId run);
void put_task_row(Database& db, RunId run, const TaskRecord& task, int64_t updated_ms);

}  // namespace qeval
