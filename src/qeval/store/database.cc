#include "qeval/store/database.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

namespace qeval {
namespace {

constexpr int kBusyStepMs = 4;
constexpr int kBusyLimitMs = 60'000;
constexpr int kCheckpointPages = 4000;  // 16 MB of log

// SQLite's own handler backs off to 100 ms, too coarse where many short transactions meet.
int wait_while_busy(void*, int times) {
  if (times >= kBusyLimitMs / kBusyStepMs) return 0;
  std::this_thread::sleep_for(std::chrono::milliseconds(times < 4 ? 1 : kBusyStepMs));
  return 1;
}

Status check_path(const std::string& path, bool may_create) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode))
      return bad_input(fmt::format("{}: is a folder; name a file inside it, e.g. --store {}/qeval.db", path, path));
    if (!S_ISREG(info.st_mode)) return bad_input(fmt::format("{}: is no regular file; a store must be one", path));
    return {};
  }
  if (errno != ENOENT)
    return fail(errno == ENOTDIR ? ErrorKind::bad_input : ErrorKind::environment,
                fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  if (!may_create)
    return fail(ErrorKind::not_found,
                fmt::format("{}: there is no such store; `qeval run` makes one, --store FILE names another", path));
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (::stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return bad_input(
        fmt::format("{}: the folder {} does not exist; make it first or choose another --store FILE", path, folder));
  return {};
}

// For files in folders where SQLite cannot make its shared-memory file.
std::string immutable_uri(const std::string& path) {
  std::string out = "file:";
  for (char c : path) {
    if (std::isalnum(static_cast<unsigned char>(c)) || std::strchr("/-_.", c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out + "?immutable=1";
}

bool log_is_empty(const std::string& path) {
  struct stat info {};
  return ::stat((path + "-wal").c_str(), &info) != 0 || info.st_size == 0;
}

std::string read_only_message(const std::string& path) {
  return fmt::format(
      "{}: cannot be written: the file or its folder is read-only; change the permissions or choose another --store "
      "FILE",
      path);
}

std::string full_message(const std::string& path, const char* why) {
  return fmt::format(
      "{}: cannot be written: {}; free space and run the same command again. Nothing already stored is lost", path,
      why);
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const std::string& path, bool read_only, bool create) {
  std::error_code ec;
  std::string absolute = std::filesystem::absolute(path, ec).string();
  if (ec || path.empty()) return bad_input(fmt::format("\"{}\" is no usable path for a store", path));
  QEVAL_CHECK(check_path(absolute, create && !read_only));
  int flags = read_only ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE;
  if (create && !read_only) flags |= SQLite::OPEN_CREATE;
  flags |= SQLite::OPEN_NOMUTEX;
  try {
    std::unique_ptr<Database> db(new Database(path, absolute, flags));
    sqlite3_extended_result_codes(db->handle(), 1);
    sqlite3_busy_handler(db->handle(), wait_while_busy, nullptr);
    sqlite3_db_config(db->handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db->handle(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    if (!read_only && sqlite3_db_readonly(db->handle(), "main") == 1)
      return fail(ErrorKind::environment, read_only_message(path));
    auto probe = db->guarded([&]() -> Status {
      Query(*db, "SELECT count(*) FROM sqlite_schema").step();
      return {};
    });
    if (probe) return db;
    int code = sqlite3_extended_errcode(db->handle()) & 0xff;
    if (!read_only || (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) || !log_is_empty(absolute))
      return fail(probe.error());
    // Nobody can be writing: the log is empty and its folder cannot be written.
    db.reset(new Database(path, immutable_uri(absolute), flags | SQLite::OPEN_URI));
    auto again = db->guarded([&]() -> Status {
      Query(*db, "SELECT count(*) FROM sqlite_schema").step();
      return {};
    });
    if (!again) return fail(again.error());
    return db;
  } catch (const SQLite::Exception& error) {
    int code = error.getErrorCode();
    if (::access(absolute.c_str(), F_OK) == 0 && ::access(absolute.c_str(), R_OK) != 0)
      return fail(ErrorKind::environment, fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
    if (code == SQLITE_CANTOPEN && !read_only) return fail(ErrorKind::environment, read_only_message(path));
    return fail(ErrorKind::environment, fmt::format("{}: cannot be opened: {}", path, error.what()));
  }
}

Status Database::configure_writer() {
  return guarded([&]() -> Status {
    std::string mode;
    for (int attempt = 0; mode != "wal"; ++attempt) {
      // Two processes that switch at once: SQLite answers "busy" without asking the handler.
      try {
        Query query(*this, "PRAGMA journal_mode=WAL");
        if (query.step()) mode = query.text(0);
        if (mode != "wal")
          return fail(ErrorKind::environment, fmt::format("{}: its file system cannot hold a store (no write-ahead "
                                                          "log; a network folder?); choose a local --store FILE",
                                                          path_));
      } catch (const SQLite::Exception& error) {
        if ((error.getErrorCode() & 0xff) != SQLITE_BUSY || attempt > 1000) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
    // NORMAL: a commit is a write(), the disk is waited for by sync_wal() and by checkpoints.
    exec("PRAGMA synchronous=NORMAL");
    exec("PRAGMA foreign_keys=ON");
    exec("PRAGMA cache_size=-4096");
    exec("PRAGMA journal_size_limit=67108864");
    sqlite3_wal_autocheckpoint(handle(), kCheckpointPages);
    // A folder or log that cannot be written is said now, not at the first answer.
    TransactionGuard probe(*this, true);
    return {};
  });
}

Status Database::sync_wal() {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(handle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK || !file ||
      !file->pMethods)
    return {};
  if (file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) != SQLITE_OK)
    return fail(
        ErrorKind::environment,
        fmt::format(
            "{}: the disk did not take the last second's writes ({}); check the disk, then run the same command again",
            path_, std::strerror(errno)));
  return {};
}

SQLite::Statement& Database::cached(const char* sql) {
  auto& statement = statements_[sql];
  if (!statement) statement = std::make_unique<SQLite::Statement>(db_, sql);
  return *statement;
}

Error Database::explain(const SQLite::Exception& error) {
  int extended = error.getExtendedErrorCode(), system = sqlite3_system_errno(handle());
  auto with_reason = [&](const char* what) {
    return fmt::format("{}: {}: {} (SQLite code {}{})", path_, what, error.what(), extended,
                       system ? fmt::format(", {}", std::strerror(system)) : "");
  };
  switch (error.getErrorCode() & 0xff) {
    case SQLITE_FULL:
      return {ErrorKind::environment, full_message(path_, "no space is left on its disk")};
    case SQLITE_READONLY:
      return {ErrorKind::environment, read_only_message(path_)};
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      if (system == EACCES || system == EROFS || system == EPERM)
        return {ErrorKind::environment, read_only_message(path_)};
      return {ErrorKind::environment, with_reason("cannot be opened")};
    case SQLITE_IOERR:
      if (system == ENOSPC) return {ErrorKind::environment, full_message(path_, "no space is left on its disk")};
      if (system == EDQUOT) return {ErrorKind::environment, full_message(path_, "the disk quota is used up")};
      if (system == EFBIG)
        return {ErrorKind::environment, full_message(path_, "the largest allowed file size is reached")};
      // SQLite has often lost the system's reason by now.
      if (extended == SQLITE_IOERR_WRITE && system == 0)
        return {ErrorKind::environment,
                full_message(path_, "the disk refused a write (quota, file size limit, or a failing disk)")};
      return {ErrorKind::environment, with_reason("the disk failed")};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::unavailable,
              fmt::format("{}: another process has been writing to it for {} s; wait for it or end it, then try again",
                          path_, kBusyLimitMs / 1000)};
    case SQLITE_NOTADB:
      return {ErrorKind::bad_input,
              fmt::format("{}: is not a qeval store (no SQLite file); choose another --store FILE", path_)};
    case SQLITE_CORRUPT:
      return {ErrorKind::bad_input, fmt::format("{}: is damaged ({}); copy it, see what `qeval store check` says, and "
                                                "save the rest with `sqlite3 FILE .recover`",
                                                path_, error.what())};
    case SQLITE_NOMEM:
      return {ErrorKind::environment, path_ + ": out of memory"};
    case SQLITE_TOOBIG:
      return {ErrorKind::bad_input, path_ + ": a value is too long to be stored"};
    default:
      break;
  }
  if (extended == SQLITE_CONSTRAINT_FOREIGNKEY)
    return {ErrorKind::not_found, with_reason("a row that this one needs is not in the store")};
  return {ErrorKind::internal, with_reason("SQLite")};
}

}  // namespace qeval
