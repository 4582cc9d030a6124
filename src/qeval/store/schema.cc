#include "qeval/store/schema.h"

#include <fmt/format.h>

#include "qeval/util/clock.h"

namespace qeval {
namespace {

constexpr int64_t kApplicationId = 0x7165766c;  // "qevl"

// Every column is described in doc/store.md; change both together.
constexpr char kVersion1[] = R"sql(
CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  codec INTEGER NOT NULL,
  n_bytes INTEGER NOT NULL,
  content BLOB NOT NULL
) STRICT;

CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE weights (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,
  run_key TEXT NOT NULL,
  model INTEGER NOT NULL REFERENCES models(id),
  weights INTEGER NOT NULL REFERENCES weights(id),
  engine TEXT NOT NULL,
  preset TEXT NOT NULL,
  suite TEXT NOT NULL,
  spec TEXT NOT NULL,
  environment TEXT NOT NULL,
  status INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL,
  performance TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_key ON runs(run_key);

CREATE TABLE leases (
  run INTEGER PRIMARY KEY REFERENCES runs(id),
  token TEXT NOT NULL,
  host TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  pid_namespace TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_start INTEGER NOT NULL,
  heartbeat_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE run_tasks (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id),
  task TEXT NOT NULL,
  version TEXT NOT NULL,
  config TEXT NOT NULL,
  identity TEXT NOT NULL,
  n_docs INTEGER NOT NULL,
  n_docs_total INTEGER NOT NULL,
  data_note TEXT NOT NULL,
  done INTEGER NOT NULL,
  summary TEXT NOT NULL,
  updated_ms INTEGER NOT NULL,
  UNIQUE (run, task)
) STRICT;

CREATE TABLE docs (
  id INTEGER PRIMARY KEY,
  content INTEGER NOT NULL UNIQUE REFERENCES texts(id),
  doc_hash TEXT NOT NULL
) STRICT;
CREATE INDEX docs_by_hash ON docs(doc_hash);

CREATE TABLE requests (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  kind INTEGER NOT NULL,
  prompt_kind INTEGER NOT NULL,
  prompt INTEGER NOT NULL REFERENCES texts(id),
  continuation BLOB NOT NULL,
  settings INTEGER NOT NULL REFERENCES texts(id),
  repeat INTEGER NOT NULL
) STRICT;

CREATE TABLE responses (
  id INTEGER PRIMARY KEY,
  key ANY NOT NULL,
  run INTEGER NOT NULL REFERENCES runs(id),
  request INTEGER NOT NULL REFERENCES requests(id),
  good INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  session_id INTEGER NOT NULL,
  finish INTEGER NOT NULL,
  failure INTEGER NOT NULL,
  failure_message BLOB,
  text INTEGER REFERENCES texts(id),
  stop_string BLOB,
  logprob_nats REAL,
  is_greedy INTEGER NOT NULL,
  n_prompt_tokens INTEGER NOT NULL,
  n_cached_tokens INTEGER NOT NULL,
  n_new_tokens INTEGER NOT NULL,
  token_logprobs BLOB,
  queue_s REAL,
  first_token_s REAL,
  total_s REAL,
  exact_doubles BLOB,
  truncated_prompt INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX responses_good ON responses(key, run) WHERE good = 1;

CREATE TABLE samples (
  run_task INTEGER NOT NULL REFERENCES run_tasks(id),
  doc_id INTEGER NOT NULL,
  doc INTEGER REFERENCES docs(id),
  attempt INTEGER NOT NULL,
  PRIMARY KEY (run_task, doc_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE asked (
  run_task INTEGER NOT NULL,
  doc_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  request INTEGER NOT NULL REFERENCES requests(id),
  response INTEGER REFERENCES responses(id),
  PRIMARY KEY (run_task, doc_id, position),
  FOREIGN KEY (run_task, doc_id) REFERENCES samples(run_task, doc_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE scores (
  run_task INTEGER NOT NULL,
  doc_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  position INTEGER NOT NULL,
  scorer_version INTEGER NOT NULL,
  backend TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  filter TEXT NOT NULL,
  failure_class INTEGER NOT NULL,
  extracted BLOB NOT NULL,
  explanation BLOB NOT NULL,
  metrics TEXT NOT NULL,
  details TEXT NOT NULL,
  PRIMARY KEY (run_task, doc_id, attempt, position),
  FOREIGN KEY (run_task, doc_id) REFERENCES samples(run_task, doc_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE series (
  run INTEGER NOT NULL REFERENCES runs(id),
  name TEXT NOT NULL,
  points BLOB NOT NULL,
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE notes (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT, WITHOUT ROWID;
)sql";

constexpr Migration kMigrations[] = {{1, kVersion1}};

struct FileState {
  bool empty = false;
  int64_t application_id = 0;
  int version = 0;
};

int64_t one_integer(Database& db, const char* sql) {
  Query query(db, sql);
  return query.step() ? query.integer(0) : 0;
}

FileState read_state(Database& db) {
  FileState state;
  state.empty = one_integer(db, "SELECT count(*) FROM sqlite_schema") == 0;
  state.application_id = one_integer(db, "PRAGMA application_id");
  if (one_integer(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'") == 1)
    state.version = static_cast<int>(one_integer(db, "SELECT max(version) FROM schema_version"));
  return state;
}

Status check_state(const Database& db, const FileState& state, int newest) {
  if (state.empty) return {};
  if (state.application_id != kApplicationId || state.version < 1)
    return bad_input(
        fmt::format("{}: is an SQLite file, but not a qeval store; choose another --store FILE", db.path()));
  if (state.version > newest)
    return bad_input(fmt::format(
        "{}: was written by a newer qeval (schema {}, this one knows {}); update qeval or choose another --store FILE",
        db.path(), state.version, newest));
  return {};
}

// False: nothing left to do. Another process may have done it meanwhile: the state is read inside the transaction.
Result<bool> apply_next(Database& db, std::span<const Migration> steps) {
  TransactionGuard transaction(db, true);
  FileState state = read_state(db);
  QEVAL_CHECK(check_state(db, state, steps.back().version));
  const Migration* next = nullptr;
  for (const Migration& step : steps)
    if (step.version > state.version && !next) next = &step;
  if (!next) return false;
  if (state.empty) {
    db.exec(fmt::format("PRAGMA application_id={}", kApplicationId).c_str());
    db.exec("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL) STRICT");
  }
  db.exec(next->sql);
  Query(db, "INSERT INTO schema_version (version, applied_ms) VALUES (?, ?)", next->version, utc_now_ms()).run();
  transaction.commit();
  return true;
}

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

Status prepare_schema(Database& db, bool read_only, std::span<const Migration> steps) {
  return db.guarded([&]() -> Status {
    int newest = steps.back().version;
    FileState state = read_state(db);
    QEVAL_CHECK(check_state(db, state, newest));
    if (!read_only) {
      for (bool more = state.version < newest; more;) {
        QEVAL_TRY(more, apply_next(db, steps));
      }
      return {};
    }
    if (state.empty) return bad_input(fmt::format("{}: is empty; `qeval run` fills a store", db.path()));
    if (state.version < newest)
      return bad_input(
          fmt::format("{}: has the older schema {}; `qeval store check --store {}` brings it up to date (schema {})",
                      db.path(), state.version, db.path(), newest));
    return {};
  });
}

}  // namespace qeval
