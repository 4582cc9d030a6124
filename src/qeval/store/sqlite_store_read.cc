#include <fmt/format.h>

#include "qeval/store/exact_json.h"
#include "qeval/store/sqlite_store.h"

namespace qeval {
namespace {

constexpr int64_t kSamplesAtOnce = 16;
constexpr int64_t kScoresAtOnce = 512;

std::vector<int64_t> doc_ids_after(Database& db, int64_t run_task, std::optional<int64_t> last, int64_t limit) {
  std::vector<int64_t> out;
  int64_t from = last ? *last : INT64_MIN;
  Query query(db, "SELECT doc_id FROM samples WHERE run_task = ? AND (doc_id > ? OR ?) ORDER BY doc_id LIMIT ?",
              run_task, from, !last.has_value(), limit);
  while (query.step()) out.push_back(query.integer(0));
  return out;
}

// `load` reads one doc; chunks of them are read in one snapshot and handed out outside of it, so that `visit` may take
// its time, write to the store, and hold nothing up.
template <typename T>
Status walk(ReaderPool& readers, RunId run, const std::string& task, int64_t at_once,
            const std::function<Result<T>(Database&, int64_t run_task, int64_t doc_id)>& load,
            const std::function<bool(int64_t doc_id, T&&)>& visit) {
  std::optional<int64_t> last;
  while (true) {
    auto read = [&](Database& db) -> Result<std::vector<std::pair<int64_t, T>>> {
      std::vector<std::pair<int64_t, T>> out;
      std::optional<int64_t> row = find_task_row(db, run, task);
      if (!row) return out;
      for (int64_t doc_id : doc_ids_after(db, *row, last, at_once)) {
        QEVAL_TRY(T item, load(db, *row, doc_id));
        out.emplace_back(doc_id, std::move(item));
      }
      return out;
    };
    QEVAL_TRY(auto chunk, readers.read(read, true));
    for (auto& [doc_id, item] : chunk) {
      last = doc_id;
      if (!visit(doc_id, std::move(item))) return {};
    }
    if (static_cast<int64_t>(chunk.size()) < at_once) return {};
  }
}

Result<std::vector<Score>> scores_of(Database& db, const ScoreSet& set) {
  std::vector<Score> out;
  for (const ScoreRow& row : set.rows) {
    QEVAL_TRY(Score score, score_from(db, row));
    out.push_back(std::move(score));
  }
  return out;
}

Result<std::vector<Score>> load_scores(Database& db, int64_t run_task, int64_t doc_id) {
  int64_t attempt = current_attempt(db, run_task, doc_id);
  if (attempt == 0) return std::vector<Score>();
  std::vector<ScoreSet> sets = read_score_sets(db, run_task, doc_id, attempt);
  if (sets.empty()) return std::vector<Score>();
  return scores_of(db, sets.front());
}

Result<std::string> stored_column(Database& db, std::string_view bytes, const std::string& where) {
  auto text = unpack_column(bytes);
  if (!text) return bad_input(fmt::format("{}: {} is damaged: {}", db.path(), where, text.error().message));
  return text;
}

}  // namespace

Sample sample_from_record(const SampleRecord& record) {
  Sample out;
  const Json& json = record.sample;
  auto strings = [&](const char* key) {
    std::vector<std::string> items;
    if (auto it = json.find(key); it != json.end() && it->is_array())
      for (const Json& item : *it)
        if (item.is_string()) items.push_back(item.get<std::string>());
    return items;
  };
  out.doc_id = record.doc_id;
  out.requests = record.requests;
  if (!json.is_object()) return out;
  if (json.contains("doc")) out.doc = json["doc"];
  out.doc_hash = json_string(json, "doc_hash");
  out.target = json_string(json, "target");
  out.references = strings("references");
  out.choices = strings("choices");
  if (auto it = json.find("gold"); it != json.end() && it->is_array())
    for (const Json& item : *it)
      if (item.is_number_integer()) out.gold.push_back(item.get<int>());
  out.multiple_inputs = json_bool(json, "multiple_inputs");
  return out;
}

Result<std::vector<RunRecord>> SqliteStore::runs() const {
  return readers_.read([](Database& db) { return read_runs(db, 0); });
}

Result<std::optional<RunRecord>> SqliteStore::run(RunId id) const {
  if (id <= 0) return std::nullopt;
  QEVAL_TRY(auto found, readers_.read([&](Database& db) { return read_runs(db, id); }));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<std::vector<TaskRecord>> SqliteStore::tasks(RunId run) const {
  return readers_.read([&](Database& db) { return read_tasks(db, run); });
}

Result<std::optional<StoredResponse>> SqliteStore::find_response(const std::string& reuse_key, RunId prefer) const {
  PreparedKey key = prepare_key(reuse_key);
  return readers_.read([&](Database& db) -> Result<std::optional<StoredResponse>> {
    std::optional<int64_t> row = find_response_row(db, key, prefer);
    if (!row) return std::nullopt;
    QEVAL_TRY(StoredResponse found, read_response(db, *row));
    return found;
  });
}

Result<std::map<std::string, StoredResponse>> SqliteStore::find_responses(const std::vector<std::string>& reuse_keys,
                                                                          RunId prefer) const {
  // One snapshot: a million look-ups cost their index walks, not a million locks.
  return readers_.read(
      [&](Database& db) -> Result<std::map<std::string, StoredResponse>> {
        std::map<std::string, StoredResponse> out;
        for (const std::string& reuse_key : reuse_keys) {
          if (out.contains(reuse_key)) continue;
          std::optional<int64_t> row = find_response_row(db, prepare_key(reuse_key), prefer);
          if (!row) continue;
          QEVAL_TRY(StoredResponse found, read_response(db, *row));
          out.emplace(reuse_key, std::move(found));
        }
        return out;
      },
      true);
}

Status SqliteStore::for_each_sample(RunId run, const std::string& task,
                                    const std::function<bool(SampleRecord&&)>& visit) const {
  return walk<SampleRecord>(readers_, run, task, kSamplesAtOnce, read_sample, [&](int64_t, SampleRecord&& record) {
    record.task = task;
    return visit(std::move(record));
  });
}

Status SqliteStore::for_each_score(RunId run, const std::string& task,
                                   const std::function<bool(int64_t doc_id, std::vector<Score>&&)>& visit) const {
  return walk<std::vector<Score>>(readers_, run, task, kScoresAtOnce, load_scores, visit);
}

Result<std::vector<std::pair<int64_t, std::vector<Score>>>> SqliteStore::current_scores(RunId run,
                                                                                        const std::string& task) const {
  std::vector<std::pair<int64_t, std::vector<Score>>> out;
  QEVAL_CHECK(for_each_score(run, task, [&](int64_t doc_id, std::vector<Score>&& scores) {
    out.emplace_back(doc_id, std::move(scores));
    return true;
  }));
  return out;
}

Result<std::vector<ScoreVersion>> SqliteStore::score_history(RunId run, const std::string& task, int64_t doc_id) const {
  return readers_.read([&](Database& db) -> Result<std::vector<ScoreVersion>> {
    std::vector<ScoreVersion> out;
    std::optional<int64_t> row = find_task_row(db, run, task);
    if (!row) return out;
    int64_t current = current_attempt(db, *row, doc_id);
    for (const ScoreSet& set : read_score_sets(db, *row, doc_id, 0)) {
      QEVAL_TRY(std::vector<Score> scores, scores_of(db, set));
      out.push_back({set.scorer_version, set.backend, set.created_ms, set.attempt == current, std::move(scores)});
    }
    return out;
  });
}

Result<std::map<std::string, Json>> SqliteStore::series(RunId run) const {
  return readers_.read([&](Database& db) -> Result<std::map<std::string, Json>> {
    std::map<std::string, Json> out;
    Query query(db, "SELECT name, points FROM series WHERE run = ?", run);
    while (query.step()) {
      std::string name = query.text(0);
      QEVAL_TRY(std::string text, stored_column(db, query.bytes(1), "series " + name));
      auto points = decode_json(text);
      if (!points) return bad_input(fmt::format("{}: series {} is damaged: {}", path_, name, points.error().message));
      out.emplace(name, std::move(*points));
    }
    return out;
  });
}

Result<std::optional<std::string>> SqliteStore::text(const std::string& name) const {
  return readers_.read([&](Database& db) -> Result<std::optional<std::string>> {
    Query query(db, "SELECT content FROM notes WHERE name = ?", name);
    if (!query.step()) return std::nullopt;
    QEVAL_TRY(std::string text, stored_column(db, query.bytes(0), "text " + name));
    return text;
  });
}

}  // namespace qeval
