#include "qeval/cli/cmd_selfcheck_batching.h"

#include <fmt/format.h>

#include "qeval/cli/compose.h"
#include "qeval/runner/batching_check.h"
#include "qeval/text/table.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

Result<std::vector<BatchingDoc>> build_docs(const BatchingOptions& options, const Engine& engine) {
  QEVAL_TRY(auto registry, open_task_registry(task_sources(options.common)));
  TaskOverrides overrides;
  overrides.limit = options.limit;
  const ChatRenderer render = [&](const ChatPrompt& chat) -> Result<std::string> {
    QEVAL_TRY(RenderedPrompt rendered, engine.render(chat));
    return rendered.text;
  };
  std::vector<BatchingDoc> docs;
  for (const std::string& asked : split_commas(options.tasks)) {
    QEVAL_TRY(auto names, registry->expand(asked));
    for (const std::string& name : names) {
      QEVAL_TRY(auto task, registry->load(name, overrides));
      for (size_t i = 0; i < task->doc_ids().size(); ++i) {
        QEVAL_TRY(Sample sample, task->build(i, engine.info().can.chat_template ? render : ChatRenderer()));
        docs.push_back({name, std::move(sample)});
      }
    }
  }
  return docs;
}

Json to_json(const BatchingReport& report) {
  Json arms = Json::array(), changed = Json::array();
  for (const BatchingArm& a : report.arms)
    arms.push_back({{"name", a.name}, {"seconds", a.seconds}, {"n_batches", a.n_batches}, {"n_decoded_tokens", a.n_decoded_tokens},
                    {"n_failed", a.n_failed}, {"largest_nats", a.largest_nats}, {"largest_at", a.largest_at}, {"n_changed", a.n_changed}});
  for (const BatchingChange& c : report.changed)
    changed.push_back({{"arm", c.arm}, {"task", c.task}, {"doc_id", c.doc_id}, {"alone", c.alone}, {"batched", c.batched},
                       {"margin_nats", c.margin_nats}});
  return {{"n_docs", report.n_docs}, {"n_requests", report.n_requests}, {"arms", arms}, {"changed", changed}};
}

void print(const BatchingReport& report) {
  Table table;
  table.headers = {"Requests", "s", "Batches", "Tokens", "Failed", "Largest |Δ ll|", "at", "Changed answers"};
  table.aligns = {Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::left, Align::right};
  for (const BatchingArm& a : report.arms) {
    const bool reference = a.name == "alone";
    table.rows.push_back({a.name, fmt::format("{:.1f}", a.seconds), std::to_string(a.n_batches), std::to_string(a.n_decoded_tokens),
                          std::to_string(a.n_failed), reference ? "–" : fmt::format("{:.4f}", a.largest_nats), a.largest_at,
                          reference ? "–" : fmt::format("{} of {}", a.n_changed, report.n_docs)});
  }
  fmt::print("{}", table.terminal());
  auto shorten = [](const std::string& text) { return text.size() > 50 ? printable(text.substr(0, 47)) + "…" : printable(text); };
  for (const BatchingChange& c : report.changed)
    fmt::print("{}: {} doc {}: alone “{}”, then “{}”{}\n", c.arm, c.task, c.doc_id, shorten(c.alone), shorten(c.batched),
               c.margin_nats > 0 ? fmt::format(" (ahead by {:.4f} nats alone)", c.margin_nats) : "");
}

}  // namespace

Result<int> selfcheck_batching(const BatchingOptions& options) {
  if (options.model.empty()) return fail(ErrorKind::usage, "selfcheck --batching needs --model: a registry id or a GGUF");
  EngineRequest request;
  request.model = options.model;
  request.preset.name = options.preset;
  request.settings = options.settings;
  QEVAL_TRY(EnginePlan plan, plan_engine(request));
  QEVAL_TRY(auto engine, plan.load());
  console().progress_done();
  QEVAL_TRY(auto docs, build_docs(options, *engine));
  QEVAL_TRY(BatchingReport report, check_batching(*engine, docs, [](const std::string& arm, double share) {
              console().progress(fmt::format("batching: {} {:.0f} %", arm, 100 * share));
            }));
  console().progress_done();
  if (options.common.json) fmt::print("{}\n", dump_json(to_json(report), 2));
  else print(report);
  for (const BatchingArm& arm : report.arms)
    if (arm.n_failed > 0) return kCheckFailed;
  return kDone;
}

}  // namespace qeval
