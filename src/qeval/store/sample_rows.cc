#include "qeval/store/sample_rows.h"

#include <fmt/format.h>

#include "qeval/store/exact_json.h"
#include "qeval/util/clock.h"

namespace qeval {
namespace {

Result<Json> stored_json(Database& db, std::string_view text, const std::string& where) {
  auto json = decode_json(text);
  if (!json)
    return bad_input(fmt::format("{}: {} is damaged: {}; `qeval store check` lists all damage", db.path(), where,
                                 json.error().message));
  return json;
}

Response missing_response() {
  Response out;
  out.finish = FinishReason::failed;
  out.failure = EngineFailure::unsupported;
  out.failure_message = "not answered yet";
  return out;
}

Status read_asked(Database& db, int64_t run_task, int64_t doc_id, SampleRecord* record) {
  struct Row {
    int64_t position, request, response;
  };
  std::vector<Row> rows;
  {
    Query query(db, "SELECT position, request, response FROM asked WHERE run_task = ? AND doc_id = ? ORDER BY position",
                run_task, doc_id);
    while (query.step()) rows.push_back({query.integer(0), query.integer(1), query.is_null(2) ? 0 : query.integer(2)});
  }
  for (const Row& row : rows) {
    if (row.position < 0 || row.position > kMaxRequestIndex)
      return bad_input(fmt::format("{}: a request of doc {} is damaged: position {}", db.path(), doc_id, row.position));
    auto size = static_cast<size_t>(row.position) + 1;
    record->requests.resize(size);
    record->responses.resize(size, missing_response());
    QEVAL_TRY(record->requests.back(), read_request(db, row.request));
    if (row.response == 0) continue;
    QEVAL_TRY(StoredResponse stored, read_response(db, row.response));
    record->responses.back() = std::move(stored.response);
  }
  return {};
}

}  // namespace

Result<PreparedSample> prepare_sample(const Sample& sample) {
  if (sample.requests.size() > kMaxRequestIndex + size_t{1})
    return bad_input(fmt::format("doc {} has {} requests, at most {} can be stored", sample.doc_id,
                                 sample.requests.size(), kMaxRequestIndex + 1));
  PreparedSample out;
  out.doc_id = sample.doc_id;
  out.doc_hash = sample.doc_hash;
  QEVAL_TRY(out.content, prepare_text(encode_json({{"doc", sample.doc},
                                                   {"target", sample.target},
                                                   {"references", sample.references},
                                                   {"choices", sample.choices},
                                                   {"gold", sample.gold},
                                                   {"multiple_inputs", sample.multiple_inputs},
                                                   {"doc_hash", sample.doc_hash}})));
  for (const Request& request : sample.requests) {
    QEVAL_TRY(PreparedRequest prepared, prepare_request(request));
    out.requests.push_back(std::move(prepared));
  }
  return out;
}

int64_t intern_doc(Database& db, const PreparedText& content, const std::string& doc_hash) {
  int64_t text = intern_text(db, content);
  {
    Query query(db, "SELECT id FROM docs WHERE content = ?", text);
    if (query.step()) return query.integer(0);
  }
  Query(db, "INSERT INTO docs (content, doc_hash) VALUES (?, ?)", text, doc_hash).run();
  return db.last_insert_id();
}

void put_sample_rows(Database& db, int64_t run_task, const PreparedSample& sample) {
  int64_t doc = intern_doc(db, sample.content, sample.doc_hash);
  Query(db,
        "INSERT INTO samples (run_task, doc_id, doc, attempt) VALUES (?, ?, ?, 0) ON CONFLICT (run_task, doc_id) DO "
        "UPDATE SET doc = excluded.doc",
        run_task, sample.doc_id, doc)
      .run();
  for (size_t i = 0; i < sample.requests.size(); ++i) {
    int64_t request = intern_request(db, sample.requests[i]);
    Query(db,
          "INSERT INTO asked (run_task, doc_id, position, request, response) VALUES (?, ?, ?, ?, NULL) "
          "ON CONFLICT (run_task, doc_id, position) DO UPDATE SET request = excluded.request WHERE asked.response IS "
          "NULL",
          run_task, sample.doc_id, static_cast<int64_t>(i), request)
        .run();
  }
}

ScoreRow score_row(const Score& score) {
  Json metrics = Json::array();
  for (const auto& [name, value] : score.metrics) metrics.push_back(Json::array({name, value}));
  return {score.filter,         static_cast<int>(score.failure_class),
          score.extracted,      score.explanation,
          encode_json(metrics), encode_json(score.details)};
}

Result<Score> score_from(Database& db, const ScoreRow& row) {
  if (row.failure_class < 1 || row.failure_class > kLastFailureClass)
    return bad_input(fmt::format("{}: a score is damaged: unknown failure class {}", db.path(), row.failure_class));
  Score out;
  out.filter = row.filter;
  out.failure_class = static_cast<FailureClass>(row.failure_class);
  out.extracted = row.extracted;
  out.explanation = row.explanation;
  QEVAL_TRY(Json metrics, stored_json(db, row.metrics, "a score"));
  for (const Json& item : metrics) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number())
      return bad_input(fmt::format("{}: a score is damaged: its metrics", db.path()));
    out.metrics.emplace_back(item[0].get<std::string>(), item[1].get<double>());
  }
  QEVAL_TRY(out.details, stored_json(db, row.details, "a score"));
  return out;
}

int64_t current_attempt(Database& db, int64_t run_task, int64_t doc_id) {
  Query query(db, "SELECT attempt FROM samples WHERE run_task = ? AND doc_id = ?", run_task, doc_id);
  return query.step() ? query.integer(0) : 0;
}

std::vector<ScoreSet> read_score_sets(Database& db, int64_t run_task, int64_t doc_id, int64_t attempt) {
  std::vector<ScoreSet> out;
  int64_t first = attempt ? attempt : 1, last = attempt ? attempt : INT64_MAX;
  Query query(db,
              "SELECT attempt, scorer_version, backend, created_ms, filter, failure_class, extracted, explanation, "
              "metrics, details FROM scores "
              "WHERE run_task = ? AND doc_id = ? AND attempt BETWEEN ? AND ? ORDER BY attempt, position",
              run_task, doc_id, first, last);
  while (query.step()) {
    if (out.empty() || out.back().attempt != query.integer(0))
      out.push_back({query.integer(0), static_cast<int>(query.integer(1)), query.text(2), query.integer(3), {}});
    out.back().rows.push_back({query.text(4), static_cast<int>(query.integer(5)), query.text(6), query.text(7),
                               query.text(8), query.text(9)});
  }
  return out;
}

void add_score_set(Database& db, int64_t run_task, int64_t doc_id, const ScoreSet& set, bool make_current) {
  int64_t attempt = 1;
  {
    Query query(db, "SELECT max(attempt) FROM scores WHERE run_task = ? AND doc_id = ?", run_task, doc_id);
    if (query.step() && !query.is_null(0)) attempt = query.integer(0) + 1;
  }
  int64_t position = 0;
  for (const ScoreRow& row : set.rows)
    Query(db,
          "INSERT INTO scores (run_task, doc_id, attempt, position, scorer_version, backend, created_ms, filter, "
          "failure_class, extracted, "
          "explanation, metrics, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          run_task, doc_id, attempt, position++, set.scorer_version, set.backend, set.created_ms, row.filter,
          row.failure_class, Blob{row.extracted}, Blob{row.explanation}, row.metrics, row.details)
        .run();
  if (make_current)
    Query(db, "UPDATE samples SET attempt = ? WHERE run_task = ? AND doc_id = ?", attempt, run_task, doc_id).run();
}

std::optional<int64_t> find_task_row(Database& db, RunId run, const std::string& task) {
  Query query(db, "SELECT id FROM run_tasks WHERE run = ? AND task = ?", run, task);
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

Result<SampleRecord> read_sample(Database& db, int64_t run_task, int64_t doc_id) {
  SampleRecord record;
  record.doc_id = doc_id;
  int64_t content = 0, attempt = 0;
  {
    Query query(db,
                "SELECT d.content, s.attempt FROM samples s LEFT JOIN docs d ON d.id = s.doc WHERE s.run_task = ? AND "
                "s.doc_id = ?",
                run_task, doc_id);
    if (query.step()) content = query.integer(0), attempt = query.integer(1);
  }
  if (content != 0) {
    QEVAL_TRY(std::string text, read_text(db, content));
    QEVAL_TRY(record.sample, stored_json(db, text, fmt::format("doc {}", doc_id)));
  }
  QEVAL_CHECK(read_asked(db, run_task, doc_id, &record));
  if (attempt == 0) return record;
  for (const ScoreSet& set : read_score_sets(db, run_task, doc_id, attempt)) {
    record.scorer_version = set.scorer_version;
    record.backend = set.backend;
    for (const ScoreRow& row : set.rows) {
      QEVAL_TRY(Score score, score_from(db, row));
      record.scores.push_back(std::move(score));
    }
  }
  return record;
}

Result<std::vector<RunRecord>> read_runs(Database& db, RunId id) {
  std::vector<RunRecord> out;
  RunId first = id ? id : INT64_MIN, last = id ? id : INT64_MAX;
  Query query(db,
              "SELECT r.id, r.run_key, m.name, w.key, r.engine, r.preset, r.suite, r.spec, r.environment, r.status, "
              "r.started_ms, r.ended_ms, "
              "r.performance FROM runs r JOIN models m ON m.id = r.model JOIN weights w ON w.id = r.weights WHERE r.id "
              "BETWEEN ? AND ? ORDER BY r.id",
              first, last);
  while (query.step()) {
    RunRecord run;
    run.id = query.integer(0);
    run.run_key = query.text(1);
    run.model_id = query.text(2);
    run.weights_key = query.text(3);
    run.engine = query.text(4);
    run.preset = query.text(5);
    run.suite = query.text(6);
    std::string where = fmt::format("run {}", run.id);
    QEVAL_TRY(run.spec, stored_json(db, query.bytes(7), where));
    QEVAL_TRY(run.environment, stored_json(db, query.bytes(8), where));
    int64_t status = query.integer(9);
    if (status < 1 || status > 4)
      return bad_input(fmt::format("{}: {} is damaged: unknown status {}", db.path(), where, status));
    run.status = static_cast<RunStatus>(status);
    run.started_ms = query.integer(10);
    run.ended_ms = query.integer(11);
    QEVAL_TRY(run.performance, stored_json(db, query.bytes(12), where));
    out.push_back(std::move(run));
  }
  return out;
}

int64_t insert_run(Database& db, const RunRecord& run, const std::string& uid) {
  Query(db, "INSERT INTO models (name) VALUES (?) ON CONFLICT DO NOTHING", run.model_id).run();
  Query(db, "INSERT INTO weights (key) VALUES (?) ON CONFLICT DO NOTHING", run.weights_key).run();
  std::string spec = encode_json(run.spec), environment = encode_json(run.environment),
              performance = encode_json(run.performance);
  Query(db,
        "INSERT INTO runs (uid, run_key, model, weights, engine, preset, suite, spec, environment, status, started_ms, "
        "ended_ms, performance) "
        "VALUES (?, ?, (SELECT id FROM models WHERE name = ?), (SELECT id FROM weights WHERE key = ?), ?, ?, ?, ?, ?, "
        "?, ?, ?, ?)",
        uid, run.run_key, run.model_id, run.weights_key, run.engine, run.preset, run.suite, spec, environment,
        static_cast<int>(run.status), run.started_ms, run.ended_ms, performance)
      .run();
  return db.last_insert_id();
}

Result<std::vector<TaskRecord>> read_tasks(Database& db, RunId run) {
  std::vector<TaskRecord> out;
  Query query(db,
              "SELECT task, version, config, identity, n_docs, n_docs_total, data_note, done, summary FROM run_tasks "
              "WHERE run = ? ORDER BY id",
              run);
  while (query.step()) {
    TaskRecord task;
    task.task = query.text(0);
    task.version = query.text(1);
    std::string where = fmt::format("task {} of run {}", task.task, run);
    QEVAL_TRY(task.config, stored_json(db, query.bytes(2), where));
    QEVAL_TRY(task.identity, stored_json(db, query.bytes(3), where));
    task.n_docs = query.integer(4);
    task.n_docs_total = query.integer(5);
    task.data_note = query.text(6);
    task.done = query.integer(7) != 0;
    QEVAL_TRY(task.summary, stored_json(db, query.bytes(8), where));
    out.push_back(std::move(task));
  }
  return out;
}

void put_task_row(Database& db, RunId run, const TaskRecord& task, int64_t updated_ms) {
  std::string config = encode_json(task.config), identity = encode_json(task.identity),
              summary = encode_json(task.summary);
  Query(db,
        "INSERT INTO run_tasks (run, task, version, config, identity, n_docs, n_docs_total, data_note, done, summary, "
        "updated_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, task) DO UPDATE SET version = excluded.version, "
        "config = excluded.config, "
        "identity = excluded.identity, n_docs = excluded.n_docs, n_docs_total = excluded.n_docs_total, data_note = "
        "excluded.data_note, "
        "done = excluded.done, summary = excluded.summary, updated_ms = excluded.updated_ms",
        run, task.task, task.version, config, identity, task.n_docs, task.n_docs_total, task.data_note, task.done,
        summary, updated_ms)
      .run();
}

}  // namespace qeval
