#include "qeval/store/sqlite_store.h"

#include <fmt/format.h>

#include <filesystem>

#include "qeval/store/exact_json.h"
#include "qeval/store/schema.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

Status require_run(Database& db, RunId run) {
  Query query(db, "SELECT 1 FROM runs WHERE id = ?", run);
  if (query.step()) return {};
  return fail(ErrorKind::not_found, fmt::format("{}: there is no run {}", db.path(), run));
}

Status check_ref(const RequestRef& ref) {
  if (ref.index >= 0 && ref.index <= kMaxRequestIndex) return {};
  return bad_input(fmt::format("task {}, doc {}: request index {} is outside 0 to {}", ref.task, ref.doc_id, ref.index,
                               kMaxRequestIndex));
}

void put_response_rows(Database& db, RunId run, const RequestRef& ref, const PreparedResponse& response) {
  int64_t task = task_row(db, run, ref.task);
  ensure_sample(db, task, ref.doc_id);
  int64_t request = intern_request(db, response.request);
  int64_t row = intern_response(db, run, response, request);
  link_row(db, task, ref, request, row, is_good(response.response));
}

}  // namespace

const char* to_string(RunStatus status) {
  switch (status) {
    case RunStatus::running:
      return "running";
    case RunStatus::interrupted:
      return "interrupted";
    case RunStatus::done:
      return "done";
    case RunStatus::failed:
      return "failed";
  }
  return "unknown";
}

Result<std::unique_ptr<Store>> open_store(const std::string& path, const StoreOptions& options) {
  return SqliteStore::open(path, options);
}

Result<std::unique_ptr<Store>> SqliteStore::open(const std::string& path, const StoreOptions& options) {
  QEVAL_TRY(auto db, Database::open(path, options.read_only, options.create));
  // What is not ours is refused before WAL mode would change it.
  if (options.read_only) {
    QEVAL_CHECK(prepare_schema(*db, true, migrations()));
  } else {
    QEVAL_CHECK(prepare_schema(*db, false, migrations()));
    QEVAL_CHECK(db->configure_writer());
  }
  return std::make_unique<SqliteStore>(path, std::move(db), options.read_only);
}

SqliteStore::SqliteStore(std::string path, std::unique_ptr<Database> db, bool read_only)
    : path_(std::move(path)), readers_(std::filesystem::absolute(path_).string()) {
  if (read_only) return;
  writer_ = std::make_unique<Writer>(std::move(db));
  leases_ = std::make_unique<LeaseKeeper>(writer_.get(), path_);
}

Status SqliteStore::write(const Writer::Job& job) {
  if (!writer_) return fail(ErrorKind::internal, fmt::format("{}: was opened for reading only", path_));
  return writer_->run(job);
}

Status SqliteStore::write_for(RunId run, const Writer::Job& job) {
  return write([&](Database& db) -> Status {
    QEVAL_CHECK(require_run(db, run));
    return job(db);
  });
}

Result<RunRecord> SqliteStore::begin_run(const RunRecord& wanted, bool fresh) {
  RunId id = 0;
  QEVAL_CHECK(write([&](Database& db) -> Status {
    if (!fresh) {
      Query query(db, "SELECT max(id) FROM runs WHERE run_key = ?", wanted.run_key);
      if (query.step() && !query.is_null(0)) {
        id = query.integer(0);
        return {};
      }
    }
    RunRecord record = wanted;
    if (record.started_ms == 0) record.started_ms = utc_now_ms();
    id = insert_run(db, record, random_hex(16));
    return {};
  }));
  QEVAL_TRY(auto found, run(id));
  if (!found) return fail(ErrorKind::internal, fmt::format("{}: run {} vanished", path_, id));
  return std::move(*found);
}

Status SqliteStore::lease(RunId run) {
  QEVAL_CHECK(write_for(run, [](Database&) -> Status { return {}; }));
  return leases_->take(run);
}

void SqliteStore::release(RunId run) {
  if (leases_) leases_->release(run);
}

Status SqliteStore::set_run_status(RunId run, RunStatus status, int64_t ended_ms, const Json& performance) {
  std::string text = encode_json(performance);
  return write_for(run, [&](Database& db) -> Status {
    Query(db, "UPDATE runs SET status = ?, ended_ms = ?, performance = ? WHERE id = ?", static_cast<int>(status),
          ended_ms, text, run)
        .run();
    return {};
  });
}

Status SqliteStore::set_environment(RunId run, const Json& environment) {
  std::string text = encode_json(environment);
  return write_for(run, [&](Database& db) -> Status {
    Query(db, "UPDATE runs SET environment = ? WHERE id = ?", text, run).run();
    return {};
  });
}

Status SqliteStore::put_task(RunId run, const TaskRecord& task) {
  return write_for(run, [&](Database& db) -> Status {
    put_task_row(db, run, task, utc_now_ms());
    return {};
  });
}

Status SqliteStore::put_response(RunId run, const RequestRef& ref, const std::string& reuse_key, const Request& request,
                                 const Response& response) {
  QEVAL_CHECK(check_ref(ref));
  QEVAL_TRY(PreparedResponse prepared, prepare_response(reuse_key, request, response));
  return write_for(run, [&](Database& db) -> Status {
    put_response_rows(db, run, ref, prepared);
    return {};
  });
}

Status SqliteStore::put_responses(RunId run, std::span<const NewResponse> batch) {
  std::vector<PreparedResponse> prepared;
  for (const NewResponse& item : batch) {
    QEVAL_CHECK(check_ref(item.ref));
    QEVAL_TRY(PreparedResponse one, prepare_response(item.key, *item.request, *item.response));
    prepared.push_back(std::move(one));
  }
  return write_for(run, [&](Database& db) -> Status {
    for (size_t i = 0; i < batch.size(); ++i) put_response_rows(db, run, batch[i].ref, prepared[i]);
    return {};
  });
}

Status SqliteStore::link_response(RunId run, const RequestRef& ref, const std::string& reuse_key) {
  QEVAL_CHECK(check_ref(ref));
  PreparedKey key = prepare_key(reuse_key);
  return write_for(run, [&](Database& db) -> Status {
    std::optional<int64_t> response = find_response_row(db, key, run);
    if (!response) return fail(ErrorKind::not_found, fmt::format("{}: no response has the key {}", path_, reuse_key));
    int64_t request = 0;
    {
      Query query(db, "SELECT request FROM responses WHERE id = ?", *response);
      if (query.step()) request = query.integer(0);
    }
    int64_t task = task_row(db, run, ref.task);
    ensure_sample(db, task, ref.doc_id);
    link_row(db, task, ref, request, *response, true);
    return {};
  });
}

Status SqliteStore::put_sample(RunId run, const std::string& task, const Sample& sample) {
  QEVAL_TRY(PreparedSample prepared, prepare_sample(sample));
  return write_for(run, [&](Database& db) -> Status {
    put_sample_rows(db, task_row(db, run, task), prepared);
    return {};
  });
}

Status SqliteStore::put_scores(RunId run, const std::string& task, int64_t doc_id, int scorer_version,
                               const std::vector<Score>& scores, const std::string& backend) {
  ScoreSet set{0, scorer_version, backend, utc_now_ms(), {}};
  for (const Score& score : scores) set.rows.push_back(score_row(score));
  return write_for(run, [&](Database& db) -> Status {
    int64_t row = task_row(db, run, task);
    ensure_sample(db, row, doc_id);
    if (int64_t attempt = current_attempt(db, row, doc_id)) {
      std::vector<ScoreSet> current = read_score_sets(db, row, doc_id, attempt);
      if (!current.empty() && current.front().same_verdict(set)) return {};
    }
    add_score_set(db, row, doc_id, set, true);
    return {};
  });
}

Status SqliteStore::put_series(RunId run, const std::string& name, const Json& points) {
  QEVAL_TRY(std::string packed, pack_column(encode_json(points)));
  return write_for(run, [&](Database& db) -> Status {
    Query(db, "INSERT OR REPLACE INTO series (run, name, points) VALUES (?, ?, ?)", run, name, Blob{packed}).run();
    return {};
  });
}

Status SqliteStore::put_text(const std::string& name, const std::string& text) {
  QEVAL_TRY(std::string packed, pack_column(text));
  return write([&](Database& db) -> Status {
    Query(db, "INSERT OR REPLACE INTO notes (name, content) VALUES (?, ?)", name, Blob{packed}).run();
    return {};
  });
}

Status SqliteStore::flush() { return writer_ ? writer_->flush() : Status{}; }

Result<StoreCheck> SqliteStore::check() const {
  return readers_.read([](Database& db) { return check_store(db); }, true);
}

Status SqliteStore::merge(const std::string& other_path) {
  if (!writer_) return fail(ErrorKind::internal, fmt::format("{}: was opened for reading only", path_));
  std::error_code ec;
  if (std::filesystem::equivalent(path_, other_path, ec))
    return bad_input(fmt::format("{}: cannot be merged with itself", path_));
  QEVAL_TRY(auto other, Database::open(other_path, true, false));
  QEVAL_CHECK(prepare_schema(*other, true, migrations()));
  return merge_store(*other, *writer_);
}

}  // namespace qeval
