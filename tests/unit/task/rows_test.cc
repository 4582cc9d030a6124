#include "qeval/task/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qeval/task/dataset.h"
#include "qeval/task/doc_hash.h"
#include "qeval/task/hooks.h"
#include "qeval/task/task_config.h"
#include "qeval/util/hash.h"
#include "task_test_util.h"

namespace qeval {
namespace {
using namespace testing_task;
using ::testing::HasSubstr;

TEST(Rows, CsvAsPandasReadsIt) {
  std::string text = "\xEF\xBB\xBF"
                     "i,f,b,s,gap,na\r\n1,1.5,True,\"a, \"\"q\"\"\nx\",3,NA\r\n\r\n-2,2,False,b,,c\r\n";
  auto rows = parse_csv(text, "t.csv", {});
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0].dump(), R"({"i":1,"f":1.5,"b":true,"s":"a, \"q\"\nx","gap":3.0,"na":null})");
  EXPECT_EQ((*rows)[1].dump(), R"({"i":-2,"f":2.0,"b":false,"s":"b","gap":null,"na":"c"})");
}

TEST(Rows, CsvFaults) {
  auto open = parse_csv("a,b\n1,\"x\ny\n", "t.csv", {});
  ASSERT_FALSE(open);
  EXPECT_THAT(open.error().message, HasSubstr("t.csv:2: a quoted cell has no closing quote"));
  auto wide = parse_csv("a,b\n1,2\n\n1,2,3\n", "t.csv", {});
  ASSERT_FALSE(wide);
  EXPECT_THAT(wide.error().message, HasSubstr("t.csv:4: 2 columns were expected, 3 found"));
}

TEST(Rows, CsvWithoutHeader) {
  RowOptions options;
  options.has_header = false;
  options.infer_types = false;
  options.column_names = {"q", "a"};
  auto rows = parse_csv("1,NA\n", "t.csv", options);
  ASSERT_TRUE(rows);
  EXPECT_EQ((*rows)[0].dump(), R"({"q":"1","a":"NA"})");
}

TEST(Rows, JsonInItsForms) {
  EXPECT_EQ(parse_rows("[{\"a\": 1}, {\"a\": 2}]", "x.json", {})->size(), 2u);
  EXPECT_EQ(parse_rows("{\"a\": 1}\n{\"a\": 2}\n", "x.json", {})->size(), 2u);
  RowOptions options;
  options.field = "data";
  EXPECT_EQ(parse_rows("{\"v\": 1, \"data\": [{\"a\": 1}]}", "x.json", options)->size(), 1u);
  EXPECT_FALSE(parse_rows("{\"v\": [", "x.json", {}));
  auto list = parse_jsonl("{\"a\": 1}\n[1]\n", "x.jsonl");
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message, HasSubstr("x.jsonl:2: a JSON object was expected"));
  EXPECT_FALSE(parse_rows("x", "x.txt", {}));
}

TEST(Rows, ColumnsAreUnified) {
  std::vector<Json> rows = {Json::parse(R"({"a": 1})"), Json::parse(R"({"b": 2, "a": 3})")};
  unify_columns(rows);
  EXPECT_EQ(rows[0].dump(), R"({"a":1,"b":null})");
  EXPECT_EQ(rows[1].dump(), R"({"a":3,"b":2})");
}

TEST(Rows, HashIsPythons) {
  Json doc = Json::parse(R"({"a": "é\"\u0001\n", "n": 1, "f": 1.0, "g": 1e22, "l": [], "o": {}, "x": [1, {"y": null}], "t": true})");
  EXPECT_EQ(python_json(doc), "{\n  \"a\": \"é\\\"\\u0001\\n\",\n  \"n\": 1,\n  \"f\": 1.0,\n  \"g\": 1e+22,\n  \"l\": [],\n  \"o\": {},\n"
                              "  \"x\": [\n    1,\n    {\n      \"y\": null\n    }\n  ],\n  \"t\": true\n}");
}

TEST(Dataset, OriginalsBecomeTheHubsForm) {
  TempDir dir;
  dir.write("arc/ARC-Easy-Test.jsonl", R"({"id":"x","question":{"stem":"S?","choices":[{"text":"p","label":"1"},{"text":"q","label":"2"}]},"answerKey":"2"})");
  dir.write("mmlu/test/anatomy_test.csv", "\"What, now?\",1,None,3,4,B\n");
  dir.write("mmlu/test/virology_test.csv", "Q2,a,b,c,d,D\n");
  dir.write("piqa/valid.jsonl", "{\"goal\":\"g\",\"sol1\":\"s\",\"sol2\":\"t\"}\n");
  dir.write("piqa/valid-labels.lst", "1\n");
  dir.write("truthfulqa/mc_task.json", R"([{"question":"q","mc1_targets":{"a":1,"b":0},"mc2_targets":{"a":1,"b":0,"c":1}}])");
  TaskSources sources;
  sources.data_dir = dir.path();
  sources.offline = true;
  auto rows = [&](const char* path, const char* name, const char* split) {
    auto read = load_split({path, name, Json::object(), {"tasks/x.yaml", true}}, split, sources, nullptr);
    EXPECT_TRUE(read) << read.error().message;
    return read ? Json(read->rows).dump() : "";
  };
  EXPECT_EQ(rows("allenai/ai2_arc", "ARC-Easy", "test"), R"([{"id":"x","question":"S?","choices":{"text":["p","q"],"label":["1","2"]},"answerKey":"2"}])");
  EXPECT_EQ(rows("cais/mmlu", "anatomy", "test"), R"([{"question":"What, now?","subject":"anatomy","choices":["1","None","3","4"],"answer":1}])");
  EXPECT_THAT(rows("cais/mmlu", "all", "test"), HasSubstr(R"("subject":"virology")"));
  EXPECT_EQ(rows("baber/piqa", "", "validation"), R"([{"goal":"g","sol1":"s","sol2":"t","label":1}])");
  EXPECT_EQ(rows("truthfulqa/truthful_qa", "multiple_choice", "validation"),
            R"([{"question":"q","mc1_targets":{"choices":["a","b"],"labels":[1,0]},"mc2_targets":{"choices":["a","b","c"],"labels":[1,0,1]}}])");
}

TEST(Dataset, SyntheticIsGenerated) {
  auto rows = [](const char* split) {
    auto read = load_split({"synthetic", "arithmetic", {{"level", 2}, {"n", 5}, {"seed", 9}}, {"tasks/x.yaml", true}}, split, {}, nullptr);
    EXPECT_TRUE(read) << read.error().message;
    return *read;
  };
  EXPECT_EQ(rows("test").rows.size(), 5u);
  EXPECT_EQ(rows("test").sha256, rows("test").sha256);
  EXPECT_NE(rows("test").rows, rows("train").rows);
  EXPECT_FALSE(load_split({"synthetic", "nothing", Json::object(), {"tasks/x.yaml", true}}, "test", {}, nullptr));
}

// The row service's pages, kept in the cache and read from there the next time.
TEST(Dataset, HubRowService) {
  TempDir cache;
  TaskSources sources;
  sources.cache_dir = cache.path();
  int asked = 0;
  HttpGet get = [&](const std::string& url) -> Result<std::string> {
    ++asked;
    if (url.find("/splits?") != std::string::npos) return R"({"splits":[{"config":"default","split":"test"}]})";
    EXPECT_THAT(url, HasSubstr("dataset=org%2Fset&config=default&split=test"));
    size_t offset = std::stoul(url.substr(url.find("offset=") + 7));
    Json rows = Json::array();
    for (size_t i = offset; i < std::min<size_t>(offset + 100, 150); ++i) rows.push_back({{"row_idx", i}, {"row", {{"q", i}}}, {"truncated_cells", Json::array()}});
    return Json({{"rows", rows}, {"num_rows_total", 150}}).dump();
  };
  DatasetSpec spec{"org/set", "", Json::object(), {"tasks/x.yaml", true}};
  auto first = load_split(spec, "test", sources, get);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->rows.size(), 150u);
  EXPECT_EQ(first->rows[149]["q"], 149);
  EXPECT_EQ(asked, 3);
  auto second = load_split(spec, "test", sources, nullptr);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->sha256, first->sha256);
  EXPECT_EQ(asked, 3);
}

TEST(Dataset, HubCutRowsAndParquetAreErrors) {
  TempDir cache;
  TaskSources sources;
  sources.cache_dir = cache.path();
  DatasetSpec spec{"org/set", "c", Json::object(), {"tasks/x.yaml", true}};
  HttpGet get = [&](const std::string& url) -> Result<std::string> {
    if (url.find("/rows?") != std::string::npos) return R"({"rows":[{"row_idx":0,"row":{"q":"x"},"truncated_cells":["q"]}],"num_rows_total":1})";
    return R"({"siblings":[{"rfilename":"data/test-00000.parquet"}]})";
  };
  auto read = load_split(spec, "test", sources, get);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("cut row 0 short"));
  EXPECT_THAT(read.error().message, HasSubstr("Parquet cannot be read; convert it once with"));
}

TEST(Hooks, HellaswagAsPythonDoesIt) {
  Json doc = Json::parse(R"({"ind": 4, "activity_label": " Cooking", "ctx_a": "A man [step] stirs [title] soup.", "ctx_b": "THE man",
    "endings": [" eats  [x] it", "a[b\nc]d", "one   two", "z"], "label": "2"})");
  std::string note;
  auto out = run_docs_hook("hellaswag/utils.process_docs", {doc}, note);
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ((*out)[0]["query"], "Cooking: A man stirs. soup. The man");
  EXPECT_EQ((*out)[0]["choices"].dump(), R"(["eats  it","a[b\nc]d","one  two","z"])");
  EXPECT_EQ((*out)[0]["gold"], 2);
  EXPECT_EQ(note, "");
  auto again = run_docs_hook("hellaswag/utils.process_docs", {Json::parse(R"({"ind":0,"query":"q","gold":3,"choices":["a","b","c","d"]})")}, note);
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)[0]["query"], "q");
  EXPECT_THAT(note, HasSubstr("already preprocessed"));
}

TEST(Generation, AsLmEvalNormalisesIt) {
  auto defaults = parse_generation(Json::object(), "\n\n", {});
  ASSERT_TRUE(defaults);
  EXPECT_EQ(defaults->until, std::vector<std::string>{"\n\n"});
  EXPECT_EQ(defaults->max_new_tokens, 256);
  EXPECT_EQ(defaults->sampling.temperature, 0);
  EXPECT_TRUE(parse_generation({{"until", Json::array()}}, "\n\n", {})->until.empty());
  EXPECT_EQ(parse_generation({{"do_sample", false}, {"temperature", 0.7}}, "", {})->sampling.temperature, 0);
  EXPECT_EQ(parse_generation({{"do_sample", true}}, "", {})->sampling.temperature, 1);
  EXPECT_EQ(parse_generation({{"max_new_tokens", 5}, {"max_gen_toks", 7}}, "", {})->max_new_tokens, 7);
  Json command_line = {{"temperature", "0.6"}, {"top_p", 0.95}, {"top_k", "20"}, {"max_tokens", 9}, {"seed", 3}};
  auto changed = parse_generation({{"do_sample", false}, {"temperature", 0.0}, {"max_gen_toks", 7}, {"until", "x"}}, "", command_line);
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(changed->sampling.temperature, 0.6);
  EXPECT_EQ(changed->sampling.top_k, 20);
  EXPECT_EQ(changed->sampling.seed, 3u);
  EXPECT_EQ(changed->max_new_tokens, 9);
  EXPECT_FALSE(parse_generation({{"num_beams", 4}}, "", {}));
  EXPECT_FALSE(parse_generation({{"top_p", 2}}, "", {}));
  EXPECT_FALSE(parse_generation({{"until", 3}}, "", {}));
}

}  // namespace
}  // namespace qeval
