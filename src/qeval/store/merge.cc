#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "qeval/store/exact_json.h"
#include "qeval/store/sqlite_store.h"

namespace qeval {
namespace {

constexpr int64_t kDocsAtOnce = 32;
constexpr int64_t kResponsesAtOnce = 128;

struct MergedDoc {
  int64_t doc_id = 0;
  std::optional<PreparedText> content;
  std::string doc_hash;
  struct Asked {
    int64_t position = 0;
    PreparedRequest request;
    std::optional<LoadedResponse> response;
  };
  std::vector<Asked> asked;
  std::vector<ScoreSet> scores;
};

class Merger {
 public:
  Merger(Database& other, Writer& writer) : other_(other), writer_(writer) {}

  Status run() {
    QEVAL_TRY(auto records, read_runs(other_, 0));
    for (const RunRecord& record : records) QEVAL_CHECK(merge_run(record));
    for (const RunRecord& record : records) {
      QEVAL_TRY(auto tasks, read_tasks(other_, record.id));
      for (const TaskRecord& task : tasks) QEVAL_CHECK(merge_task(record.id, task));
    }
    QEVAL_CHECK(merge_unasked());
    QEVAL_CHECK(merge_series());
    return merge_notes();
  }

 private:
  Status merge_run(const RunRecord& theirs) {
    std::string uid;
    {
      Query query(other_, "SELECT uid FROM runs WHERE id = ?", theirs.id);
      if (query.step()) uid = query.text(0);
    }
    std::string performance = encode_json(theirs.performance), environment = encode_json(theirs.environment);
    return writer_.run([&](Database& db) -> Status {
      int64_t ours = 0, ended_ms = 0;
      {
        Query query(db, "SELECT id, ended_ms FROM runs WHERE uid = ?", uid);
        if (query.step()) ours = query.integer(0), ended_ms = query.integer(1);
      }
      if (ours == 0)
        ours = insert_run(db, theirs, uid);
      else if (theirs.ended_ms > ended_ms)
        Query(db, "UPDATE runs SET status = ?, ended_ms = ?, performance = ?, environment = ? WHERE id = ?",
              static_cast<int>(theirs.status), theirs.ended_ms, performance, environment, ours)
            .run();
      run_ids_[theirs.id] = ours;
      return {};
    });
  }

  Status merge_task(RunId their_run, const TaskRecord& task) {
    RunId our_run = run_ids_[their_run];
    std::optional<int64_t> theirs = find_task_row(other_, their_run, task.task);
    if (!theirs) return {};
    int64_t updated_ms = 0;
    {
      Query query(other_, "SELECT updated_ms FROM run_tasks WHERE id = ?", *theirs);
      if (query.step()) updated_ms = query.integer(0);
    }
    int64_t ours = 0;
    QEVAL_CHECK(writer_.run([&](Database& db) -> Status {
      int64_t our_time = -1;
      {
        Query query(db, "SELECT updated_ms FROM run_tasks WHERE run = ? AND task = ?", our_run, task.task);
        if (query.step()) our_time = query.integer(0);
      }
      if (updated_ms > our_time) put_task_row(db, our_run, task, updated_ms);
      ours = task_row(db, our_run, task.task);
      return {};
    }));
    std::optional<int64_t> last;
    while (true) {
      QEVAL_TRY(std::vector<MergedDoc> docs, load_docs(*theirs, last));
      if (docs.empty()) return {};
      last = docs.back().doc_id;
      QEVAL_CHECK(writer_.run([&](Database& db) -> Status {
        for (const MergedDoc& doc : docs) put_doc(db, ours, task.task, doc);
        return {};
      }));
    }
  }

  Result<std::vector<MergedDoc>> load_docs(int64_t run_task, std::optional<int64_t> last) {
    std::vector<MergedDoc> out;
    std::vector<int64_t> contents;
    {
      Query query(other_,
                  "SELECT s.doc_id, d.content, d.doc_hash FROM samples s LEFT JOIN docs d ON d.id = s.doc WHERE "
                  "s.run_task = ? AND "
                  "(s.doc_id > ? OR ?) ORDER BY s.doc_id LIMIT ?",
                  run_task, last.value_or(0), !last.has_value(), kDocsAtOnce);
      while (query.step()) {
        out.emplace_back();
        out.back().doc_id = query.integer(0);
        contents.push_back(query.integer(1));
        out.back().doc_hash = query.text(2);
      }
    }
    for (size_t i = 0; i < out.size(); ++i) {
      if (contents[i] != 0) {
        QEVAL_TRY(out[i].content, load_text(other_, contents[i]));
      }
      QEVAL_TRY(out[i].asked, load_asked(run_task, out[i].doc_id));
      out[i].scores = read_score_sets(other_, run_task, out[i].doc_id, 0);
    }
    return out;
  }

  Result<std::vector<MergedDoc::Asked>> load_asked(int64_t run_task, int64_t doc_id) {
    std::vector<MergedDoc::Asked> out;
    std::vector<std::pair<int64_t, int64_t>> rows;
    {
      Query query(other_,
                  "SELECT position, request, response FROM asked WHERE run_task = ? AND doc_id = ? ORDER BY position",
                  run_task, doc_id);
      while (query.step()) {
        out.emplace_back();
        out.back().position = query.integer(0);
        rows.emplace_back(query.integer(1), query.integer(2));
      }
    }
    for (size_t i = 0; i < out.size(); ++i) {
      QEVAL_TRY(out[i].request, load_request(other_, rows[i].first));
      if (rows[i].second == 0) continue;
      QEVAL_TRY(out[i].response, load_response(other_, rows[i].second));
    }
    return out;
  }

  // Our row of a response, inserted where we have none.
  int64_t put_loaded(Database& db, const LoadedResponse& loaded) {
    RunId our_run = run_ids_[loaded.run];
    const PreparedResponse& prepared = loaded.prepared;
    if (!is_good(prepared.response)) {
      Query query(
          db, "SELECT id FROM responses WHERE run = ? AND created_ms = ? AND session_id = ? AND key = ? AND good = 0",
          our_run, prepared.created_ms, static_cast<int64_t>(prepared.response.id), BlobOrText(prepared.key));
      if (query.step()) return query.integer(0);
    }
    return intern_response(db, our_run, prepared, intern_request(db, prepared.request));
  }

  void put_doc(Database& db, int64_t run_task, const std::string& task, const MergedDoc& doc) {
    ensure_sample(db, run_task, doc.doc_id);
    if (doc.content)
      Query(db, "UPDATE samples SET doc = ? WHERE run_task = ? AND doc_id = ? AND doc IS NULL",
            intern_doc(db, *doc.content, doc.doc_hash), run_task, doc.doc_id)
          .run();
    for (const MergedDoc::Asked& asked : doc.asked) {
      int64_t request = intern_request(db, asked.request);
      if (asked.response) {
        // Never in place of a good response of our own.
        link_row(db, run_task, {task, doc.doc_id, static_cast<int>(asked.position)}, request,
                 put_loaded(db, *asked.response), false);
      } else {
        Query(db,
              "INSERT INTO asked (run_task, doc_id, position, request, response) VALUES (?, ?, ?, ?, NULL) ON CONFLICT "
              "DO NOTHING",
              run_task, doc.doc_id, asked.position, request)
            .run();
      }
    }
    if (!doc.scores.empty()) put_scores(db, run_task, doc);
  }

  void put_scores(Database& db, int64_t run_task, const MergedDoc& doc) {
    std::vector<ScoreSet> ours = read_score_sets(db, run_task, doc.doc_id, 0);
    int64_t newest_ms = -1, current = current_attempt(db, run_task, doc.doc_id);
    for (const ScoreSet& set : ours)
      if (set.attempt == current) newest_ms = set.created_ms;
    for (const ScoreSet& set : doc.scores) {
      bool known = std::any_of(ours.begin(), ours.end(), [&](const ScoreSet& own) {
        return own.created_ms == set.created_ms && own.same_verdict(set);
      });
      if (known) continue;
      bool newer = set.created_ms >= newest_ms;
      add_score_set(db, run_task, doc.doc_id, set, newer);
      if (newer) newest_ms = set.created_ms;
    }
  }

  // Failed attempts that were asked again, and answers to questions that were put anew.
  Status merge_unasked() {
    std::vector<int64_t> ids;
    {
      Query query(other_,
                  "SELECT id FROM responses WHERE id NOT IN (SELECT response FROM asked WHERE response IS NOT NULL)");
      while (query.step()) ids.push_back(query.integer(0));
    }
    for (size_t start = 0; start < ids.size(); start += kResponsesAtOnce) {
      std::vector<LoadedResponse> loaded;
      for (size_t i = start; i < std::min(ids.size(), start + kResponsesAtOnce); ++i) {
        QEVAL_TRY(LoadedResponse one, load_response(other_, ids[i]));
        loaded.push_back(std::move(one));
      }
      QEVAL_CHECK(writer_.run([&](Database& db) -> Status {
        for (const LoadedResponse& one : loaded) put_loaded(db, one);
        return {};
      }));
    }
    return {};
  }

  Status merge_series() {
    Query query(other_, "SELECT run, name, points FROM series");
    while (query.step()) {
      std::string name = query.text(1), points = query.text(2);
      RunId our_run = run_ids_[query.integer(0)];
      QEVAL_CHECK(writer_.run([&](Database& db) -> Status {
        Query(db, "INSERT INTO series (run, name, points) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", our_run, name,
              Blob{points})
            .run();
        return {};
      }));
    }
    return {};
  }

  Status merge_notes() {
    Query query(other_, "SELECT name, content FROM notes");
    while (query.step()) {
      std::string name = query.text(0), content = query.text(1);
      QEVAL_CHECK(writer_.run([&](Database& db) -> Status {
        Query(db, "INSERT INTO notes (name, content) VALUES (?, ?) ON CONFLICT DO NOTHING", name, Blob{content}).run();
        return {};
      }));
    }
    return {};
  }

  Database& other_;
  Writer& writer_;
  std::map<RunId, RunId> run_ids_;  // theirs to ours
};

}  // namespace

Status merge_store(Database& other, Writer& writer) {
  return other.guarded([&] { return Merger(other, writer).run(); });
}

}  // namespace qeval
