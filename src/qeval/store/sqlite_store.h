#pragma once

#include "qeval/store/lease.h"
#include "qeval/store/readers.h"
#include "qeval/store/sample_rows.h"
#include "qeval/store/store.h"
#include "qeval/store/writer.h"

namespace qeval {

class SqliteStore : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(const std::string& path, const StoreOptions& options);
  SqliteStore(std::string path, std::unique_ptr<Database> db, bool read_only);

  Result<RunRecord> begin_run(const RunRecord& wanted, bool fresh) override;
  Status lease(RunId run) override;
  void release(RunId run) override;
  Status set_run_status(RunId run, RunStatus status, int64_t ended_ms, const Json& performance) override;
  Status set_environment(RunId run, const Json& environment) override;
  Status put_task(RunId run, const TaskRecord& task) override;
  Result<std::vector<RunRecord>> runs() const override;
  Result<std::optional<RunRecord>> run(RunId id) const override;
  Result<std::vector<TaskRecord>> tasks(RunId run) const override;

  Result<std::optional<StoredResponse>> find_response(const std::string& reuse_key, RunId prefer) const override;
  Result<std::map<std::string, StoredResponse>> find_responses(const std::vector<std::string>& reuse_keys,
                                                               RunId prefer) const override;
  Status put_response(RunId run, const RequestRef& ref, const std::string& reuse_key, const Request& request,
                      const Response& response) override;
  Status put_responses(RunId run, std::span<const NewResponse> batch) override;
  Status link_response(RunId run, const RequestRef& ref, const std::string& reuse_key) override;

  Status put_sample(RunId run, const std::string& task, const Sample& sample) override;
  Status put_scores(RunId run, const std::string& task, int64_t doc_id, int scorer_version,
                    const std::vector<Score>& scores, const std::string& backend) override;
  Status for_each_sample(RunId run, const std::string& task,
                         const std::function<bool(SampleRecord&&)>& visit) const override;
  Result<std::vector<std::pair<int64_t, std::vector<Score>>>> current_scores(RunId run,
                                                                             const std::string& task) const override;
  Status for_each_score(RunId run, const std::string& task,
                        const std::function<bool(int64_t doc_id, std::vector<Score>&&)>& visit) const override;
  Result<std::vector<ScoreVersion>> score_history(RunId run, const std::string& task, int64_t doc_id) const override;

  Status put_series(RunId run, const std::string& name, const Json& points) override;
  Result<std::map<std::string, Json>> series(RunId run) const override;
  Status put_text(const std::string& name, const std::string& text) override;
  Result<std::optional<std::string>> text(const std::string& name) const override;

  Status flush() override;
  Result<StoreCheck> check() const override;
  Status merge(const std::string& other_path) override;
  std::string path() const override { return path_; }

 private:
  Status write(const Writer::Job& job);
  // Fails with not_found for an unknown run, so that a foreign key never has to say it.
  Status write_for(RunId run, const Writer::Job& job);
  std::string path_;
  std::unique_ptr<Writer> writer_;       // null: read-only
  std::unique_ptr<LeaseKeeper> leases_;  // uses writer_
  mutable ReaderPool readers_;           // closed first: the last connection clears the log away, and must be able to
};

// check.cc, merge.cc
Result<StoreCheck> check_store(Database& db);
Status merge_store(Database& other, Writer& writer);

}  // namespace qeval
