#include "qeval/judge/fastchat.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/core/model_spec.h"
#include "qeval/scorer/scorer.h"
#include "qeval/util/clock.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

Result<std::vector<std::string>> turns_of(const Json& line, const std::string& where) {
  auto wrong = [&] { return bad_input(where + ": choices[0].turns: a list of texts was expected"); };
  if (!line.contains("choices") || !line["choices"].is_array() || line["choices"].empty()) return wrong();
  const Json& choice = line["choices"][0];
  if (!choice.is_object() || !choice.contains("turns") || !choice["turns"].is_array() || choice["turns"].empty()) return wrong();
  std::vector<std::string> out;
  for (const Json& turn : choice["turns"]) {
    if (!turn.is_string()) return wrong();
    out.push_back(turn.get<std::string>());
  }
  return out;
}

Status read_line(const Json& line, const std::string& where, FastChatAnswers& out) {
  if (!line.is_object() || !line.contains("question_id") || !line["question_id"].is_number_integer())
    return bad_input(where + ": question_id: a whole number was expected");
  std::string model = json_string(line, "model_id");
  if (!out.model_id.empty() && model != out.model_id)
    return bad_input(fmt::format("{}: model_id: {} was expected as above, not {}; a file holds one model's answers", where, out.model_id, model));
  out.model_id = model;
  QEVAL_TRY(auto turns, turns_of(line, where));
  auto id = line["question_id"].get<int64_t>();
  if (!out.by_question.emplace(id, std::move(turns)).second) return bad_input(fmt::format("{}: question {} is answered twice", where, id));
  return {};
}

Response answered(const std::string& text) {
  Response r;
  r.finish = FinishReason::end_of_turn;
  r.text = text;
  return r;
}

class Import {
 public:
  Import(Store& store, const Task& task, const FastChatAnswers& answers, std::string file)
      : store_(store), task_(task), answers_(answers), file_(std::move(file)) {}

  Result<RunId> go() {
    QEVAL_CHECK(build());
    QEVAL_TRY(RunRecord run, store_.begin_run(wanted(), false));
    if (run.status == RunStatus::done) return run.id;
    QEVAL_CHECK(store_.lease(run.id));
    Status put = put_all(run.id);
    store_.release(run.id);
    QEVAL_CHECK(put);
    QEVAL_CHECK(store_.flush());
    return run.id;
  }

 private:
  // Every question as this task would have asked it, with the file's answers.
  Status build() {
    const auto& ids = task_.doc_ids();
    size_t n_used = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
      QEVAL_TRY(Sample sample, task_.build(i, {}));
      auto found = answers_.by_question.find(json_int(sample.doc, "question_id", -1));
      if (found == answers_.by_question.end()) continue;
      ++n_used;
      std::vector<Response> responses;
      for (const std::string& text : found->second) {
        if (responses.size() == sample.requests.size()) {
          QEVAL_TRY(auto more, task_.follow_up(sample, responses));
          if (more.empty()) break;
          sample.requests.push_back(std::move(more[0]));
        }
        responses.push_back(answered(text));
      }
      size_t n_turns = sample.doc.contains("turns") ? sample.doc["turns"].size() : 1;
      if (found->second.size() != n_turns)
        return bad_input(fmt::format("{}: question {}: {} answers were expected, it has {}", file_, found->first, n_turns, found->second.size()));
      samples_.emplace_back(std::move(sample), std::move(responses));
    }
    if (n_used < answers_.by_question.size())
      return bad_input(fmt::format("{}: {} of its {} questions are none of {}'s", file_, answers_.by_question.size() - n_used,
                                   answers_.by_question.size(), task_.spec().name));
    return {};
  }

  RunRecord wanted() const {
    RunRecord run;
    run.run_key = sha256_hex(fmt::format("fastchat answers {} {}", answers_.sha256, dump_json(task_.identity())));
    run.model_id = answers_.model_id.empty() ? "unnamed" : answers_.model_id;
    run.weights_key = "declared:" + run.model_id;
    run.engine = "imported";
    run.preset = "unknown";
    WeightsIdentity weights;
    weights.source = file_;
    weights.name = run.model_id;
    run.spec = {{"model", run.model_id}, {"hf_id", ""}, {"weights", to_json(weights)}, {"engine", {{"name", "imported"}}},
                {"preset", {{"name", "unknown"}}}, {"arguments", {{"answers", file_}, {"sha256", answers_.sha256}}}};
    run.environment = {{"engine", {{"name", "imported"}}}, {"weights", to_json(weights)}};
    run.started_ms = utc_now_ms();
    return run;
  }

  Status put_all(RunId run) {
    const TaskSpec& spec = task_.spec();
    TaskRecord record;
    record.task = spec.name;
    record.version = spec.version;
    record.config = spec.config;
    record.identity = task_.identity();
    record.n_docs = static_cast<int64_t>(samples_.size());
    record.n_docs_total = task_.n_docs_total();
    record.data_note = fmt::format("answers from {}, sha256 {}", file_, answers_.sha256);
    QEVAL_CHECK(store_.put_task(run, record));
    QEVAL_TRY(auto scorer, make_scorer(spec, nullptr));
    for (const auto& [sample, responses] : samples_) {
      QEVAL_CHECK(store_.put_sample(run, spec.name, sample));
      for (size_t i = 0; i < responses.size(); ++i) {
        std::string key = sha256_hex(fmt::format("{}:{}:{}", answers_.sha256, sample.doc_id, i));
        QEVAL_CHECK(store_.put_response(run, {spec.name, sample.doc_id, static_cast<int>(i)}, key, sample.requests[i], responses[i]));
      }
      QEVAL_CHECK(store_.put_scores(run, spec.name, sample.doc_id, kScorerVersion, scorer->score(sample, responses), ""));
    }
    return store_.set_run_status(run, RunStatus::done, utc_now_ms(), Json::object());
  }

  Store& store_;
  const Task& task_;
  const FastChatAnswers& answers_;
  std::string file_;
  std::vector<std::pair<Sample, std::vector<Response>>> samples_;
};

}  // namespace

Result<FastChatAnswers> parse_fastchat_answers(const std::string& text, const std::string& file) {
  FastChatAnswers out;
  out.sha256 = sha256_hex(text);
  size_t at = 0;
  for (int line = 1; at < text.size(); ++line) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string one = text.substr(at, end - at);
    at = end + 1;
    if (one.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::string where = fmt::format("{}:{}", file, line);
    auto json = parse_json(one);
    if (!json) return fail(json.error().in(where));
    QEVAL_CHECK(read_line(*json, where, out));
  }
  if (out.by_question.empty()) return bad_input(fmt::format("{}: it holds no answer", file));
  return out;
}

std::string fastchat_answers(const RunAnswers& answers, const std::string& model_id, int64_t tstamp_ms) {
  std::map<int64_t, Json> lines;
  for (const AnsweredQuestion& q : answers.questions) {
    Json& line = lines[q.doc_id];
    if (line.is_null()) {
      Json id = q.doc.contains("question_id") ? q.doc["question_id"] : Json(q.doc_id);
      std::string answer_id = sha256_hex(fmt::format("{}:{}:{}", model_id, dump_json(id), dump_json(Json(q.answers)))).substr(0, 22);
      line = {{"question_id", std::move(id)}, {"answer_id", std::move(answer_id)}, {"model_id", model_id},
              {"choices", Json::array()}, {"tstamp", static_cast<double>(tstamp_ms) / 1000}};
    }
    line["choices"].push_back({{"index", q.repeat}, {"turns", q.answers}});
  }
  std::string out;
  for (const auto& [doc_id, line] : lines) out += dump_json(line) + "\n";
  return out;
}

Result<RunId> import_fastchat_answers(Store& store, const Task& task, const FastChatAnswers& answers, const std::string& file) {
  return Import(store, task, answers, file).go();
}

}  // namespace qeval
