#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "qeval/util/result.h"

namespace qeval {

// One SQLite connection with its prepared statements. Used by one thread at a time. Methods throw SQLite::Exception;
// guarded() turns that into a typed Error that names the file and what to do.
class Database {
 public:
  // Checks what `path` is before SQLite sees it. Read-only connections never create or lock out writers.
  static Result<std::unique_ptr<Database>> open(const std::string& path, bool read_only, bool create);

  const std::string& path() const { return path_; }
  sqlite3* handle() { return db_.getHandle(); }
  bool in_transaction() { return sqlite3_get_autocommit(handle()) == 0; }
  void exec(const char* sql) { db_.exec(sql); }
  int64_t last_insert_id() { return sqlite3_last_insert_rowid(handle()); }
  int changes() { return sqlite3_changes(handle()); }

  // The write-ahead log, which holds every commit since the last checkpoint, reaches the disk.
  Status sync_wal();
  // WAL mode, and what belongs to it. Only for files that are known to be ours.
  Status configure_writer();

  template <typename F>
  auto guarded(F&& work) -> std::invoke_result_t<F>;
  Error explain(const SQLite::Exception& error);

 private:
  friend class Query;
  Database(std::string path, const std::string& uri, int flags) : path_(std::move(path)), db_(uri, flags) {}
  SQLite::Statement& cached(const char* sql);

  std::string path_;
  SQLite::Database db_;
  std::unordered_map<std::string_view, std::unique_ptr<SQLite::Statement>> statements_;
};

// Bytes bound as BLOB; std::string and const char* are bound as TEXT.
struct Blob {
  std::string_view bytes;
};
struct Null {};
// Bound as BLOB or as TEXT, as decided at run time.
struct BlobOrText {
  const std::string& bytes;
  bool is_blob = false;
};

// One use of a cached statement: bound on construction, reset on destruction. `sql` is a string literal. Bound strings
// must outlive the query.
class Query {
 public:
  template <typename... Args>
  Query(Database& db, const char* sql, const Args&... args) : statement_(db.cached(sql)) {
    int index = 0;
    (bind(++index, args), ...);
  }
  ~Query() {
    statement_.tryReset();
    statement_.clearBindings();
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool step() { return statement_.executeStep(); }
  // For statements without rows.
  void run() {
    while (step()) {
    }
  }

  bool is_null(int column) { return statement_.getColumn(column).isNull(); }
  bool is_blob(int column) { return statement_.getColumn(column).isBlob(); }
  int64_t integer(int column) { return statement_.getColumn(column).getInt64(); }
  double real(int column) { return statement_.getColumn(column).getDouble(); }
  // Valid until the next step().
  std::string_view bytes(int column) {
    SQLite::Column value = statement_.getColumn(column);
    auto* data = static_cast<const char*>(value.getBlob());
    return data ? std::string_view(data, static_cast<size_t>(value.getBytes())) : std::string_view();
  }
  std::string text(int column) { return std::string(bytes(column)); }

 private:
  void bind(int index, int64_t value) { statement_.bind(index, value); }
  void bind(int index, int value) { statement_.bind(index, value); }
  void bind(int index, bool value) { statement_.bind(index, static_cast<int>(value)); }
  void bind(int index, double value) { statement_.bind(index, value); }
  void bind(int index, const std::string& value) { statement_.bindNoCopy(index, value); }
  void bind(int index, Blob value) {
    // A null pointer would bind NULL, not an empty BLOB.
    statement_.bindNoCopy(index, value.bytes.data() ? value.bytes.data() : "", static_cast<int>(value.bytes.size()));
  }
  void bind(int index, BlobOrText value) {
    if (value.is_blob)
      bind(index, Blob{value.bytes});
    else
      bind(index, value.bytes);
  }
  void bind(int index, Null) { statement_.bind(index); }
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    if (value)
      bind(index, *value);
    else
      bind(index, Null{});
  }

  SQLite::Statement& statement_;
};

// BEGIN … COMMIT, rolled back unless committed. `immediate` takes the write lock at once.
class TransactionGuard {
 public:
  explicit TransactionGuard(Database& db, bool immediate) : db_(db) {
    db.exec(immediate ? "BEGIN IMMEDIATE" : "BEGIN");
  }
  ~TransactionGuard() {
    if (db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  TransactionGuard(const TransactionGuard&) = delete;
  TransactionGuard& operator=(const TransactionGuard&) = delete;
  void commit() { db_.exec("COMMIT"); }

 private:
  Database& db_;
};

template <typename F>
auto Database::guarded(F&& work) -> std::invoke_result_t<F> {
  try {
    return work();
  } catch (const SQLite::Exception& error) {
    return fail(explain(error));
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::environment, path_ + ": out of memory");
  } catch (const std::exception& error) {
    return fail(ErrorKind::internal, path_ + ": " + error.what());
  }
}

}  // namespace qeval
