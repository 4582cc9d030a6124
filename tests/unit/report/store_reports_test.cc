#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "qeval/report/lm_eval_output.h"
#include "qeval/report/tracker.h"
#include "qeval/text/python_literal.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"
#include "report_testing.h"

namespace qeval {
namespace {

using namespace testing_runs;
using ::testing::HasSubstr;

std::string parity_folder() {
  const char* given = std::getenv("QEVAL_PARITY_DIR");
  return given && *given ? given : QEVAL_SOURCE_DIR "/../shared/parity";
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    auto line = parse_json(std::string_view(text).substr(at, end - at));
    if (!line)
      ADD_FAILURE() << line.error().message;
    else
      out.push_back(*line);
    at = end + 1;
  }
  return out;
}

// A real store in a folder of its own.
class StoreReports : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("qeval_reports_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    auto opened = open_store((folder_ / "qeval.db").string(), {});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    store_ = std::move(*opened);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  RunId begin(const RunView& view) {
    RunRecord wanted = view.run;
    wanted.run_key += std::to_string(view.run.id);
    auto begun = store_->begin_run(wanted, true);
    EXPECT_TRUE(begun.has_value()) << begun.error().message;
    return begun->id;
  }
  void put(RunId run, const TaskSummary& t) {
    TaskRecord record;
    record.task = t.task;
    record.version = t.version;
    record.config = {{"task", t.task}};
    record.identity = {{"task", t.task}, {"selection", {{"n", t.n_docs}}}};
    record.n_docs = t.n_docs;
    record.n_docs_total = 1172;
    record.summary = to_json(t);
    record.done = true;
    ASSERT_TRUE(store_->put_task(run, record).has_value());
  }
  void put(RunId run, const std::string& task, const Sample& sample, const std::vector<Response>& responses,
           const std::vector<Score>& scores) {
    ASSERT_TRUE(store_->put_sample(run, task, sample).has_value());
    std::vector<NewResponse> batch;
    for (size_t i = 0; i < sample.requests.size(); ++i) {
      std::string key = sha256_hex(fmt::format("{}/{}/{}/{}", task, sample.doc_id, i, run));
      batch.push_back({{task, sample.doc_id, static_cast<int>(i)}, key, &sample.requests[i], &responses[i]});
    }
    ASSERT_TRUE(store_->put_responses(run, batch).has_value());
    ASSERT_TRUE(store_->put_scores(run, task, sample.doc_id, 1, scores, "").has_value());
  }
  void finish(RunId run, const RunView& view) {
    ASSERT_TRUE(store_->set_run_status(run, RunStatus::done, view.run.ended_ms, view.run.performance).has_value());
  }

  // Rebuilds the samples of a file that lm-eval wrote: all docs of one filter, then those of the next.
  void replay(const std::vector<Json>& lines, RunId run, const std::string& task);

  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
};

Request request_from(const Json& arguments) {
  Request r;
  r.prompt = arguments["arg_0"].get<std::string>();
  if (arguments["arg_1"].is_string()) {
    r.kind = RequestKind::loglikelihood;
    r.continuation = arguments["arg_1"].get<std::string>();
    return r;
  }
  r.until = arguments["arg_1"]["until"].get<std::vector<std::string>>();
  r.max_new_tokens = static_cast<int>(json_int(arguments["arg_1"], "max_gen_toks", 256));
  return r;
}

Response response_from(const Json& answer) {
  Response r;
  r.finish = answer.is_string() ? FinishReason::end_of_turn : FinishReason::scored;
  if (answer.is_string()) {
    r.text = answer.get<std::string>();
    return r;
  }
  r.logprob_nats = std::strtod(answer[0].get<std::string>().c_str(), nullptr);
  r.is_greedy = answer[1] == "True";
  return r;
}

void StoreReports::replay(const std::vector<Json>& lines, RunId run, const std::string& task) {
  std::map<int64_t, std::pair<const Json*, std::vector<Score>>> docs;
  for (const Json& line : lines) {
    Score score;
    score.filter = json_string(line, "filter");
    if (line["filtered_resps"][0].is_string()) score.extracted = line["filtered_resps"][0].get<std::string>();
    for (const char* metric : {"acc", "acc_norm", "exact_match"})
      if (line.contains(metric)) score.metrics.emplace_back(metric, line[metric].get<double>());
    auto& [first, scores] = docs[json_int(line, "doc_id")];
    if (!first) first = &line;
    scores.push_back(score);
  }
  for (const auto& [doc_id, seen] : docs) {
    const Json& line = *seen.first;
    Sample sample;
    sample.doc_id = doc_id;
    sample.doc = {{"id", doc_id}};
    sample.doc_hash = json_string(line, "doc_hash");
    sample.target = json_string(line, "target");
    std::vector<Response> responses;
    for (const auto& [name, arguments] : line["arguments"].items()) sample.requests.push_back(request_from(arguments));
    for (const Json& answers : line["resps"]) responses.push_back(response_from(answers[0]));
    put(run, task, sample, responses, seen.second);
  }
}

class LmEvalOutput : public StoreReports, public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

// What lm-eval wrote, stored and written again, is the same line, key by key.
TEST_P(LmEvalOutput, WritesLmEvalsOwnLines) {
  auto [file, task_name] = GetParam();
  auto text = read_file(parity_folder() + "/" + file);
  if (!text) GTEST_SKIP() << text.error().message;
  std::vector<Json> lines = json_lines(*text);
  RunView view = run(1, "balanced");
  RunId id = begin(view);
  TaskSummary t = task(task_name, "T", "C", 1, 10);
  put(id, t);
  replay(lines, id, task_name);
  finish(id, view);
  auto files = write_lm_eval_output(*store_, id, (folder_ / "out").string());
  ASSERT_TRUE(files.has_value()) << files.error().message;
  ASSERT_EQ(files->size(), 2U);
  std::vector<Json> written = json_lines(read_file((*files)[1]).value());
  ASSERT_EQ(written.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const auto& [key, value] : lines[i].items()) {
      if (key == "doc" || key == "bypass") continue;
      // Generation settings beyond these are lm-eval's defaults.
      if (key == "arguments" && value["gen_args_0"]["arg_1"].is_object()) {
        EXPECT_EQ(written[i][key]["gen_args_0"]["arg_0"], value["gen_args_0"]["arg_0"]);
        for (const char* setting : {"until", "do_sample"})
          if (value["gen_args_0"]["arg_1"].contains(setting)) {
            EXPECT_EQ(written[i][key]["gen_args_0"]["arg_1"][setting], value["gen_args_0"]["arg_1"][setting]);
          }
        continue;
      }
      EXPECT_EQ(written[i][key], value) << file << " line " << i << " " << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Parity, LmEvalOutput,
                         ::testing::Values(std::pair("arc_challenge.samples.jsonl", "arc_challenge"),
                                           std::pair("gsm8k.samples.jsonl", "gsm8k"),
                                           std::pair("gsm8k_chat.samples.jsonl", "gsm8k"),
                                           std::pair("arc_challenge_chat_template.samples.jsonl", "arc_challenge")),
                         [](const auto& p) {
                           std::string name = p.param.first;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST_F(StoreReports, ResultsFileHasLmEvalsKeys) {
  RunView view = run(1, "balanced");
  view.run.ended_ms += 250;
  RunId id = begin(view);
  TaskSummary t = task("gsm8k", "GSM8K", "Math Reasoning", 40, 100);
  t.version = "3.0";
  t.num_fewshot = 5;
  t.metrics = {share("exact_match", "strict-match", 40, 100), share("exact_match", "flexible-extract", 44, 100)};
  t.metrics[1].stderr_value = std::numeric_limits<double>::quiet_NaN();
  put(id, t);
  finish(id, view);
  auto files = write_lm_eval_output(*store_, id, (folder_ / "out").string());
  ASSERT_TRUE(files.has_value()) << files.error().message;
  EXPECT_THAT((*files)[0], HasSubstr("out/Qwen__Qwen2.5-0.5B-Instruct/results_2026-11-26T00-10-00.250000.json"));
  EXPECT_THAT((*files)[1], HasSubstr("out/Qwen__Qwen2.5-0.5B-Instruct/samples_gsm8k_2026-11-26T00-10-00.250000.jsonl"));
  Json json = parse_json(read_file((*files)[0]).value()).value();
  Json row = json["results"]["gsm8k"];
  EXPECT_DOUBLE_EQ(row["exact_match,strict-match"].get<double>(), 0.40);
  EXPECT_NEAR(row["exact_match_stderr,strict-match"].get<double>(), 0.04924, 1e-5);
  EXPECT_EQ(row["exact_match_stderr,flexible-extract"], "N/A");
  EXPECT_EQ(row["alias"], "gsm8k");
  EXPECT_EQ(json["n-shot"]["gsm8k"], 5);
  EXPECT_EQ(json["versions"]["gsm8k"], 3.0);
  EXPECT_EQ(json["n-samples"]["gsm8k"]["original"], 1172);
  EXPECT_EQ(json["n-samples"]["gsm8k"]["effective"], 100);
  EXPECT_EQ(json["higher_is_better"]["gsm8k"]["exact_match"], true);
  EXPECT_EQ(json["config"]["limit"], 100);
  EXPECT_EQ(json["config"]["model"], "llama");
  EXPECT_EQ(json["model_name"], "Qwen/Qwen2.5-0.5B-Instruct");
  EXPECT_EQ(json["model_name_sanitized"], "Qwen__Qwen2.5-0.5B-Instruct");
  for (const char* key : {"group_subtasks", "configs", "git_hash", "date", "task_hashes", "model_source", "start_time",
                          "end_time", "total_evaluation_time_seconds", "chat_template_sha"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["total_evaluation_time_seconds"], "600.250");
}

TEST_F(StoreReports, HostileNamesStayInTheFolder) {
  RunView view = run(1, "balanced");
  std::string hostile = "../../..";
  view.run.spec["hf_id"] = "..";
  view.run.environment["weights"] = view.run.spec["weights"] = {{"name", ".."}};
  RunId id = begin(view);
  TaskSummary t = task(hostile, hostile, "C", 1, 2);
  put(id, t);
  finish(id, view);
  auto files = write_lm_eval_output(*store_, id, (folder_ / "out").string());
  ASSERT_TRUE(files.has_value()) << files.error().message;
  for (const std::string& file : *files) {
    auto inside =
        std::filesystem::relative(std::filesystem::canonical(file), std::filesystem::canonical(folder_ / "out"))
            .string();
    EXPECT_FALSE(inside.starts_with("..")) << file;
  }
}

TEST_F(StoreReports, RepeatsAreAnswersToOneInstance) {
  RunView view = run(1, "balanced");
  RunId id = begin(view);
  put(id, task("humaneval", "HumanEval", "C", 1, 1));
  Sample sample;
  std::vector<Response> responses;
  for (int i = 0; i < 3; ++i) {
    Request r;
    r.prompt = std::string("def f():");
    r.repeat = i;
    sample.requests.push_back(r);
    responses.push_back(response_from(Json("answer " + std::to_string(i))));
  }
  put(id, "humaneval", sample, responses, {Score{}});
  finish(id, view);
  auto files = write_lm_eval_output(*store_, id, (folder_ / "out").string());
  ASSERT_TRUE(files.has_value()) << files.error().message;
  Json line = json_lines(read_file((*files)[1]).value()).at(0);
  EXPECT_EQ(line["resps"], Json::parse(R"([["answer 0", "answer 1", "answer 2"]])"));
  EXPECT_EQ(line["arguments"].size(), 1U);
}

TEST_F(StoreReports, SaysWhatIsNotThere) {
  EXPECT_THAT(write_lm_eval_output(*store_, 99, folder_.string()).error().message, HasSubstr("no run 99"));
}

TEST_F(StoreReports, TrackerComparesPairedFromTheStore) {
  for (RunId i : {1, 2}) {
    RunView view = run(i, "balanced");
    RunId id = begin(view);
    TaskSummary t = task("arc_challenge", "ARC Challenge", "Science", i == 1 ? 10 : 16, 20);
    put(id, t);
    for (int64_t doc = 0; doc < 20; ++doc) {
      Sample sample;
      sample.doc_id = doc;
      Score score;
      score.metrics = {{"acc", doc < (i == 1 ? 10 : 16) ? 1.0 : 0.0}};
      put(id, "arc_challenge", sample, {}, {score});
    }
    finish(id, view);
  }
  auto input = tracker_input(*store_);
  ASSERT_TRUE(input.has_value()) << input.error().message;
  ASSERT_EQ(input->runs.size(), 2U);
  EXPECT_EQ(input->runs[0].facts.at("arc_challenge").items.size(), 20U);
  EXPECT_THAT(render_tracker(*input, {}),
              HasSubstr("+30.0 points (20 common docs, 6 won, 0 lost; p = 0.031): more than noise since run 1"));
  auto again = tracker_input(*store_);
  EXPECT_EQ(render_tracker(*input, {}), render_tracker(*again, {}));
}

TEST_F(StoreReports, TrackerTakesImportAndAdoptedTextFromTheStore) {
  Json rows = import_tracker_v1(read_file(QEVAL_SOURCE_DIR "/tests/cases/report/tracker-v1.md").value()).value();
  ASSERT_TRUE(store_->put_text("tracker_import", dump_json(rows)).has_value());
  ASSERT_TRUE(store_->put_text("tracker_adopted", "our old notes").has_value());
  auto input = tracker_input(*store_);
  ASSERT_TRUE(input.has_value());
  EXPECT_EQ(input->imported["scores"].size(), 6U);
  EXPECT_THAT(render_tracker(*input, {}),
              HasSubstr("<!-- qeval:keep adopted -->\nour old notes\n<!-- /qeval:keep -->"));
}

TEST_F(StoreReports, ItemsStopAtTheBudget) {
  std::vector<RunView> views;
  for (RunId i : {1, 2}) {
    RunView view = run(i, "balanced");
    RunId id = begin(view);
    put(id, task("arc_challenge", "ARC Challenge", "Science", 1, 3));
    for (int64_t doc = 0; doc < 3; ++doc) {
      Sample sample;
      sample.doc_id = doc;
      Score score;
      score.metrics = {{"acc", 1.0}};
      put(id, "arc_challenge", sample, {}, {score});
    }
    finish(id, view);
  }
  auto loaded = load_views(*store_);
  ASSERT_TRUE(loaded.has_value());
  ASSERT_TRUE(load_items(*store_, *loaded, 4).has_value());
  EXPECT_EQ((*loaded)[1].facts.at("arc_challenge").items.size(), 3U) << "the newest goes first";
  EXPECT_TRUE((*loaded)[0].facts.at("arc_challenge").items.empty());
}

}  // namespace
}  // namespace qeval
