#include "qeval/cli/bench_sources.h"

#include <fmt/format.h>

#include "qeval/scorer/scorer.h"

namespace qeval {

Result<TaskQuestions> questions_of_task(const TaskRegistry& registry, const std::string& name, const Engine& engine, bool chat, int64_t limit) {
  TaskOverrides overrides;
  overrides.apply_chat_template = chat;
  if (limit > 0) overrides.limit = limit;
  TaskQuestions out;
  QEVAL_TRY(out.task, registry.load(name, overrides));
  if (out.task->spec().scoring.output_type != OutputType::generate_until)
    return fail(ErrorKind::usage, fmt::format("--tasks {}: it needs log-likelihoods; a load test wants a task that generates", name));
  ChatRenderer renderer;
  if (chat && !engine.info().can.own_chat)
    renderer = [&engine](const ChatPrompt& prompt) -> Result<std::string> {
      QEVAL_TRY(RenderedPrompt rendered, engine.render(prompt));
      return rendered.text;
    };
  for (size_t i = 0; i < out.task->doc_ids().size(); ++i) {
    QEVAL_TRY(Sample sample, out.task->build(i, renderer));
    if (sample.requests.empty()) continue;
    LoadItem item;
    item.request = sample.requests.front();
    item.sample = std::make_shared<const Sample>(std::move(sample));
    out.items.push_back(std::move(item));
  }
  if (out.items.empty()) return bad_input(fmt::format("{}: the task has no questions", name));
  return out;
}

Result<std::vector<LoadItem>> questions_of_run(const Store& store, RunId run, int64_t limit) {
  QEVAL_TRY(auto record, store.run(run));
  if (!record) return bad_input(fmt::format("{}: there is no run {}", store.path(), run));
  QEVAL_TRY(auto tasks, store.tasks(run));
  std::vector<LoadItem> out;
  for (const TaskRecord& task : tasks)
    QEVAL_CHECK(store.for_each_sample(run, task.task, [&](SampleRecord&& sample) {
      for (Request& request : sample.requests) {
        if (request.kind != RequestKind::generate) continue;
        LoadItem item;
        item.request = std::move(request);
        out.push_back(std::move(item));
      }
      return limit <= 0 || static_cast<int64_t>(out.size()) < limit;
    }));
  if (out.empty()) return bad_input(fmt::format("{}: run {} holds no generated answers to replay", store.path(), run));
  return out;
}

struct AnswerScores::State {
  TaskSpec spec;
  std::unique_ptr<Scorer> scorer;
  std::vector<std::vector<Score>> scores;
};

AnswerScores::AnswerScores(const TaskSpec& spec, std::unique_ptr<Scorer> scorer) : state_(new State{spec, std::move(scorer), {}}) {}
AnswerScores::~AnswerScores() = default;

void AnswerScores::add(const Sample& sample, const Response& response) {
  Sample one = sample;
  one.requests.resize(1);
  state_->scores.push_back(state_->scorer->score(one, {response}));
}

std::optional<double> AnswerScores::take() {
  std::optional<double> out;
  const auto [metric, filter] = primary_metric(state_->spec);
  for (const MetricSummary& m : summarise(state_->spec, state_->scores))
    if (m.metric == metric && m.filter == filter && m.n > 0) out = m.value;
  state_->scores.clear();
  return out;
}

}  // namespace qeval
