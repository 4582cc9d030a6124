#include "qeval/store/schema.h"
#include "store_fixture.h"

namespace qeval {
namespace {

using Runs = StoreTest;

TEST_F(Runs, TheSameCommandFindsTheSameRun) {
  auto store = open(path_);
  auto first = store->begin_run(record("a"), false);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, RunStatus::running);
  EXPECT_EQ(begin(*store, "a"), first->id);
  RunId other = begin(*store, "b"), fresh = begin(*store, "a", true);
  EXPECT_NE(other, first->id);
  EXPECT_NE(fresh, first->id);
  EXPECT_EQ(begin(*store, "a"), fresh) << "the newest";
  ASSERT_TRUE(store->set_run_status(fresh, RunStatus::done, 1700000009999, {{"wall_s", 1.5}}));
  ASSERT_TRUE(store->set_environment(fresh, {{"gpu", "none"}}));
  store.reset();
  store = open(path_, {.read_only = true});
  auto back = store->run(fresh);
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->status, RunStatus::done);
  EXPECT_EQ((*back)->ended_ms, 1700000009999);
  EXPECT_EQ((*back)->performance, (Json{{"wall_s", 1.5}}));
  EXPECT_EQ((*back)->environment, (Json{{"gpu", "none"}}));
  EXPECT_EQ((*back)->spec, record().spec);
  EXPECT_EQ((*back)->model_id, "smollm2-135m");
  EXPECT_EQ((*back)->weights_key, "sha256:abc");
  EXPECT_EQ((*back)->engine, "fake");
  EXPECT_EQ((*back)->preset, "balanced");
  EXPECT_EQ((*back)->suite, "tracker");
  EXPECT_EQ((*back)->run_key, "a");
  auto all = store->runs();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ(all->front().id, first->id);
  EXPECT_FALSE(store->run(99)->has_value());
  EXPECT_FALSE(store->run(0)->has_value());
}

TEST_F(Runs, UnknownRunsAreNotFound) {
  auto store = open(path_);
  for (const Status& status : {store->set_run_status(7, RunStatus::done, 1, {}), store->set_environment(7, {}),
                               store->put_task(7, {}), store->lease(7), store->put_series(7, "x", {}),
                               store->put_sample(7, "t", {}), store->put_scores(7, "t", 1, 1, {}, "")}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::not_found);
    EXPECT_NE(status.error().message.find("run 7"), std::string::npos) << status.error().message;
  }
}

TEST_F(Runs, TasksAreReplacedInPlace) {
  auto store = open(path_);
  RunId run = begin(*store);
  TaskRecord task{"gsm8k", "3", {{"num_fewshot", 5}}, {{"hash", "x"}}, 10, 1319, "first 10", false, nullptr};
  ASSERT_TRUE(store->put_task(run, task));
  ASSERT_TRUE(store->put_task(run, {"arc", "1", nullptr, nullptr, 0, 0, "", false, nullptr}));
  ASSERT_TRUE(store->put_response(run, {"gsm8k", 1, 0}, key("q"), request("q"), answer("a")));
  task.done = true;
  task.summary = {{"value", 0.5}};
  ASSERT_TRUE(store->put_task(run, task));
  auto back = store->tasks(run);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ(back->at(0).task, "gsm8k");
  EXPECT_EQ(back->at(0).version, "3");
  EXPECT_EQ(back->at(0).config, task.config);
  EXPECT_EQ(back->at(0).identity, task.identity);
  EXPECT_EQ(back->at(0).n_docs, 10);
  EXPECT_EQ(back->at(0).n_docs_total, 1319);
  EXPECT_EQ(back->at(0).data_note, "first 10");
  EXPECT_TRUE(back->at(0).done);
  EXPECT_EQ(back->at(0).summary, task.summary);
  EXPECT_EQ(samples(*store, run, "gsm8k").size(), 1u);
}

TEST_F(Runs, SeriesAndTextsComeBack) {
  auto store = open(path_);
  RunId run = begin(*store);
  Json points = Json::array();
  for (int i = 0; i < 1000; ++i) points.push_back({{"t", i}, {"rss", i * 1024}});
  ASSERT_TRUE(store->put_series(run, "memory", points));
  ASSERT_TRUE(store->put_series(run, "gpu", Json::array({1})));
  ASSERT_TRUE(store->put_series(run, "gpu", Json::array({2})));
  auto back = store->series(run);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->size(), 2u);
  EXPECT_EQ(back->at("memory"), points);
  EXPECT_EQ(back->at("gpu"), Json::array({2}));
  std::string text = std::string("notes\0\xff", 7) + std::string(10'000, 'y');
  ASSERT_TRUE(store->put_text("tracker", text));
  ASSERT_TRUE(store->put_text("empty", ""));
  EXPECT_EQ(store->text("tracker")->value(), text);
  EXPECT_EQ(store->text("empty")->value(), "");
  EXPECT_FALSE(store->text("absent")->has_value());
}

TEST_F(Runs, ReadingOnlyNeverWrites) {
  {
    auto store = open(path_);
    begin(*store);
  }
  auto store = open(path_, {.read_only = true});
  for (const Status& status : {store->put_text("a", "b"), store->lease(1), store->merge(path_), store->put_task(1, {})})
    EXPECT_FALSE(status);
  EXPECT_FALSE(store->begin_run(record(), false));
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(checked(*store).ok);
}

TEST_F(Runs, AReaderSeesWhatAWriterCommitted) {
  auto writer = open(path_);
  RunId run = begin(*writer);
  auto reader = open(path_, {.read_only = true});
  put(*writer, run, 1, "q", "a");
  EXPECT_EQ(samples(*reader, run).size(), 1u);
}

TEST_F(Runs, OlderFilesAreBroughtUpToDate) {
  const Migration steps[] = {{1, "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (5);"},
                             {2, "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = x + 1;"},
                             {3, "CREATE TABLE b (z INTEGER) STRICT;"}};
  std::span<const Migration> all(steps);
  {
    auto db = Database::open(path_, false, true);
    ASSERT_TRUE(db);
    ASSERT_TRUE(prepare_schema(**db, false, all.first(1)));
  }
  {
    auto db = Database::open(path_, true, false);
    ASSERT_TRUE(db);
    Status old = prepare_schema(**db, true, all);
    ASSERT_FALSE(old);
    EXPECT_EQ(old.error().kind, ErrorKind::bad_input);
    EXPECT_NE(old.error().message.find("older schema 1"), std::string::npos) << old.error().message;
  }
  auto db = Database::open(path_, false, true);
  ASSERT_TRUE(db);
  ASSERT_TRUE(prepare_schema(**db, false, all));
  ASSERT_TRUE(prepare_schema(**db, false, all)) << "again, with nothing to do";
  Query query(**db, "SELECT y, (SELECT count(*) FROM schema_version), (SELECT count(*) FROM b) FROM a");
  ASSERT_TRUE(query.step());
  EXPECT_EQ(query.integer(0), 6);
  EXPECT_EQ(query.integer(1), 3);
}

TEST_F(Runs, AStepThatFailsChangesNothing) {
  const Migration steps[] = {{1, "CREATE TABLE a (x INTEGER) STRICT;"},
                             {2, "CREATE TABLE c (x INTEGER) STRICT; THIS IS NO SQL;"}};
  std::span<const Migration> all(steps);
  auto db = Database::open(path_, false, true);
  ASSERT_TRUE(db);
  ASSERT_TRUE(prepare_schema(**db, false, all.first(1)));
  EXPECT_FALSE(prepare_schema(**db, false, all));
  ASSERT_TRUE(prepare_schema(**db, false, all.first(1))) << "still version 1";
  Query query(**db, "SELECT count(*) FROM sqlite_schema WHERE name = 'c'");
  ASSERT_TRUE(query.step());
  EXPECT_EQ(query.integer(0), 0);
}

}  // namespace
}  // namespace qeval
