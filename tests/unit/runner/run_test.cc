// Whole runs through the public door: a task from the fixtures, a store in a scratch folder, an engine that counts.
#include "qeval/runner/run.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "qeval/engine/fake.h"
#include "qeval/os/temp_dir.h"
#include "qeval/runner/rescore.h"

namespace qeval {
namespace {

// How many requests were with the engine at most.
class CountingSession final : public EngineSession {
 public:
  CountingSession(std::unique_ptr<EngineSession> inner, int& most) : inner_(std::move(inner)), most_(most) {}
  Result<bool> submit(Request request) override {
    QEVAL_TRY(bool accepted, inner_->submit(std::move(request)));
    if (accepted) most_ = std::max(most_, ++n_);
    return accepted;
  }
  std::optional<Response> next(std::chrono::milliseconds timeout) override {
    auto response = inner_->next(timeout);
    if (response) --n_;
    return response;
  }
  void cancel(RequestId id) override { inner_->cancel(id); }
  void cancel_all() override { inner_->cancel_all(); }
  void close_input() override { inner_->close_input(); }
  bool finished() const override { return inner_->finished(); }
  SessionStats stats() const override { return inner_->stats(); }

 private:
  std::unique_ptr<EngineSession> inner_;
  int& most_;
  int n_ = 0;
};

class CountingEngine final : public Engine {
 public:
  explicit CountingEngine(int& most) : inner_(make_fake_engine({})), most_(most) {}
  const EngineInfo& info() const override { return inner_->info(); }
  Result<RenderedPrompt> render(const ChatPrompt& chat) const override { return inner_->render(chat); }
  Result<std::vector<TokenId>> tokenize(const std::string& text, bool add, bool parse) const override {
    return inner_->tokenize(text, add, parse);
  }
  Result<std::unique_ptr<EngineSession>> open_session(const SessionOptions& options) override {
    QEVAL_TRY(auto session, inner_->open_session(options));
    return std::unique_ptr<EngineSession>(std::make_unique<CountingSession>(std::move(session), most_));
  }

 private:
  std::unique_ptr<Engine> inner_;
  int& most_;
};

class Runs : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = TempDir::create("qeval-run-test");
    ASSERT_TRUE(folder);
    folder_ = std::move(*folder);
    TaskSources sources;
    sources.data_dir = std::string(QEVAL_SOURCE_DIR) + "/reference/fixtures";
    sources.offline = true;
    auto registry = open_task_registry(sources);
    ASSERT_TRUE(registry) << registry.error().message;
    registry_ = std::move(*registry);
    auto store = open_store(folder_.path() + "/s.db", {});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    services_.tasks = registry_.get();
    services_.store = store_.get();
    services_.load_engine = [this]() -> Result<std::unique_ptr<Engine>> { return std::make_unique<CountingEngine>(most_); };
    services_.sandbox = [this]() -> Result<Sandbox*> {
      ++n_sandboxes_;
      return fail(ErrorKind::environment, "no sandbox here");
    };
    plan_.model_asked = plan_.engine = "fake";
  }

  RunOutcome run() {
    auto outcome = execute_run(plan_, services_);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome ? std::move(*outcome) : RunOutcome{};
  }

  TempDir folder_;
  std::unique_ptr<TaskRegistry> registry_;
  std::unique_ptr<Store> store_;
  RunServices services_;
  RunPlan plan_;
  int most_ = 0, n_sandboxes_ = 0;
};

TEST_F(Runs, RespectABatchSizeWhereItIsAskedFor) {
  plan_.tasks = {{"arc_easy", {}, "", ""}};
  run();
  EXPECT_GT(most_, 3) << "all of the first docs' options are with the engine at once";
  most_ = 0;
  plan_.max_in_flight = 3;
  RunOutcome limited = run();
  EXPECT_EQ(most_, 3);
  EXPECT_FALSE(limited.was_complete) << "another batch size can change numbers: another run";
  EXPECT_EQ(limited.tasks.at(0).n_infrastructure, 0);
}

TEST_F(Runs, PredictionsAloneNeedNoSandbox) {
  plan_.tasks = {{"humaneval", {}, "", ""}};
  EXPECT_FALSE(execute_run(plan_, services_));
  EXPECT_EQ(n_sandboxes_, 1);
  plan_.predict_only = true;
  run();
  EXPECT_EQ(n_sandboxes_, 1);
}

TEST_F(Runs, AFailedRescoreGivesTheLeaseBack) {
  plan_.tasks = {{"gsm8k", {}, "", ""}};
  RunId id = run().run.id;
  RescoreOptions options;
  ASSERT_TRUE(services_.store->put_task(id, {.task = "vanished", .version = "1"}));
  EXPECT_FALSE(rescore_run(*store_, *registry_, id, options)) << "no such task";
  auto other = open_store(folder_.path() + "/s.db", {});
  ASSERT_TRUE(other);
  EXPECT_TRUE((*other)->lease(id)) << "the lease is free again";
}

}  // namespace
}  // namespace qeval
