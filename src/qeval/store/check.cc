#include <fmt/format.h>

#include "qeval/store/exact_json.h"
#include "qeval/store/sqlite_store.h"

namespace qeval {
namespace {

constexpr size_t kMaxProblems = 100;

class Checker {
 public:
  explicit Checker(Database& db) : db_(db) {}

  StoreCheck run() {
    section("pages", [&] { pages(); });
    section("foreign keys", [&] { foreign_keys(); });
    section("counts", [&] { counts(); });
    section("runs", [&] { runs(); });
    section("texts",
            [&] { each("SELECT id FROM texts", [&](int64_t id) { return read_text(db_, id).map([](auto&&) {}); }); });
    section("docs", [&] { each("SELECT content FROM docs", [&](int64_t id) { return doc(id); }); });
    section("requests", [&] {
      each("SELECT id FROM requests", [&](int64_t id) { return read_request(db_, id).map([](auto&&) {}); });
    });
    section("responses", [&] {
      each("SELECT id FROM responses", [&](int64_t id) { return read_response(db_, id).map([](auto&&) {}); });
    });
    section("scores", [&] { scores(); });
    section("series", [&] { columns("SELECT 'series ' || name, points FROM series"); });
    section("notes", [&] { columns("SELECT 'text ' || name, content FROM notes"); });
    if (n_problems_ > kMaxProblems)
      out_.problems.push_back(fmt::format("{} more problems", n_problems_ - kMaxProblems));
    out_.ok = n_problems_ == 0;
    return std::move(out_);
  }

 private:
  void problem(std::string text) {
    if (++n_problems_ <= kMaxProblems) out_.problems.push_back(std::move(text));
  }

  // A section that cannot be read to its end is a problem; the others still run.
  template <typename F>
  void section(const char* name, F&& work) {
    auto status = db_.guarded([&]() -> Status {
      work();
      return {};
    });
    if (!status) problem(fmt::format("{}: {}", name, status.error().message));
  }

  template <typename F>
  void each(const char* sql, F&& read) {
    Query query(db_, sql);
    while (query.step())
      if (Status status = read(query.integer(0)); !status) problem(status.error().message);
  }

  void pages() {
    Query query(db_, "PRAGMA integrity_check(100)");
    while (query.step())
      if (query.bytes(0) != "ok") problem("pages: " + query.text(0));
  }

  void foreign_keys() {
    std::map<std::string, int64_t> broken;
    {
      Query query(db_, "PRAGMA foreign_key_check");
      while (query.step()) ++broken[fmt::format("{} without their {}", query.bytes(0), query.bytes(2))];
    }
    for (const auto& [what, n] : broken) problem(fmt::format("foreign keys: {} {}", n, what));
  }

  void count(const char* name, const char* sql) {
    Query query(db_, sql);
    if (query.step()) out_.counts[name] = query.integer(0);
  }

  void counts() {
    count("runs", "SELECT count(*) FROM runs");
    count("tasks", "SELECT count(*) FROM run_tasks");
    count("docs", "SELECT count(*) FROM docs");
    count("samples", "SELECT count(*) FROM samples");
    count("requests", "SELECT count(*) FROM requests");
    count("responses", "SELECT count(*) FROM responses");
    count("scores", "SELECT count(*) FROM scores");
    count("texts", "SELECT count(*) FROM texts");
    count("text_bytes", "SELECT coalesce(sum(n_bytes), 0) FROM texts");
    count("text_bytes_stored", "SELECT coalesce(sum(length(content)), 0) FROM texts");
    count("failed_responses", "SELECT count(*) FROM responses WHERE good = 0");
    // Left behind where something was asked anew; harmless.
    count("superseded_responses",
          "SELECT count(*) FROM responses WHERE id NOT IN (SELECT response FROM asked WHERE response IS NOT NULL)");
    count("orphan_requests",
          "SELECT count(*) FROM requests WHERE id NOT IN (SELECT request FROM asked UNION SELECT request FROM "
          "responses)");
    count(
        "orphan_texts",
        "SELECT count(*) FROM texts WHERE id NOT IN (SELECT content FROM docs UNION SELECT prompt FROM requests UNION "
        "SELECT settings FROM requests UNION SELECT text FROM responses WHERE text IS NOT NULL)");
    count("samples_without_doc", "SELECT count(*) FROM samples WHERE doc IS NULL");
    count("unanswered", "SELECT count(*) FROM asked WHERE response IS NULL");
  }

  void runs() {
    each("SELECT id FROM runs", [&](int64_t id) -> Status {
      QEVAL_CHECK(read_runs(db_, id).map([](auto&&) {}));
      return read_tasks(db_, id).map([](auto&&) {});
    });
  }

  Status doc(int64_t text) {
    QEVAL_TRY(std::string content, read_text(db_, text));
    auto json = decode_json(content);
    if (!json) return bad_input(fmt::format("docs: text {} is damaged: {}", text, json.error().message));
    return {};
  }

  void scores() {
    Query query(db_, "SELECT failure_class, metrics, details, run_task, doc_id FROM scores");
    while (query.step()) {
      ScoreRow row{"", static_cast<int>(query.integer(0)), "", "", query.text(1), query.text(2)};
      if (auto score = score_from(db_, row); !score)
        problem(fmt::format("scores: doc {} of task row {}: {}", query.integer(4), query.integer(3),
                            score.error().message));
    }
  }

  void columns(const char* sql) {
    Query query(db_, sql);
    while (query.step())
      if (auto text = unpack_column(query.bytes(1)); !text)
        problem(fmt::format("{}: {}", query.bytes(0), text.error().message));
  }

  Database& db_;
  StoreCheck out_;
  size_t n_problems_ = 0;
};

}  // namespace

Result<StoreCheck> check_store(Database& db) { return Checker(db).run(); }

}  // namespace qeval
