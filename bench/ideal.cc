// What scoring would cost at best: the tokens of one trie over all requests, at the prefill rate that libllama reaches here
// and now when the same share of rows is read.   bench_ideal MODEL.gguf REQUESTS.jsonl [--ubatch N] [--threads N] [--batches N] [--trie]
// A request is a context and its continuation, or a context alone: a prompt. --trie: count the tokens, measure nothing.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "qeval/engine/llama/decode_context.h"
#include "qeval/engine/llama/score_plan.h"
#include "qeval/util/clock.h"
#include "qeval/util/json.h"

namespace qeval {
namespace {

struct Arguments {
  std::string model, requests;
  int n_ubatch = 512, n_threads = 2, n_batches = 6;
  bool trie = false;
};

Result<Arguments> read_arguments(const std::vector<std::string>& words) {
  Arguments out;
  std::vector<std::string> files;
  for (size_t i = 0; i < words.size(); ++i) {
    int* target = words[i] == "--ubatch"    ? &out.n_ubatch
                  : words[i] == "--threads" ? &out.n_threads
                  : words[i] == "--batches" ? &out.n_batches
                                            : nullptr;
    if (target && i + 1 < words.size()) *target = std::max(1, std::atoi(words[++i].c_str()));
    else if (words[i] == "--trie") out.trie = true;
    else files.push_back(words[i]);
  }
  if (files.size() != 2)
    return fail(ErrorKind::usage, "usage: bench_ideal MODEL.gguf REQUESTS.jsonl [--ubatch N] [--threads N] [--batches N] [--trie]");
  out.model = files[0];
  out.requests = files[1];
  return out;
}

Result<std::vector<ScoreJob>> read_jobs(const LlamaModel& model, const std::string& path) {
  std::ifstream file(path);
  if (!file) return bad_input(path + ": cannot be read");
  std::vector<ScoreJob> jobs;
  for (std::string line; std::getline(file, line);) {
    QEVAL_TRY(Json request, parse_json(line));
    const std::string context = json_string(request, "context");
    ScoreJob job;
    job.tokens = model.encode(context + json_string(request, "continuation"));
    if (request.contains("continuation")) {
      job.n_targets = static_cast<int>(job.tokens.size() - model.encode(context).size());
    } else {
      job.tokens.push_back(0);  // the first token of an answer, which is not decoded
      job.n_targets = 1;
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

struct Work {
  int64_t n_tokens = 0, n_rows = 0;
};

Work trie_of(std::vector<ScoreJob>& jobs) {
  std::vector<ScoreJob*> order;
  for (ScoreJob& job : jobs) order.push_back(&job);
  std::sort(order.begin(), order.end(), score_order);
  WaveLimits limits;
  limits.n_tokens = 1 << 30;
  limits.n_leaves = 1 << 30;
  const Wave wave = plan_wave(order, 0, {}, limits);
  Work out;
  out.n_tokens = static_cast<int64_t>(wave.tokens.size());
  for (const WaveToken& token : wave.tokens) out.n_rows += token.first_reader >= 0;
  return out;
}

// Tokens a second over whole micro-batches of one sequence each, the given share of their rows read.
Result<double> prefill_rate(DecodeContext& context, const LlamaModel& model, const Arguments& arguments, double row_share) {
  QEVAL_CHECK(context.create({1, arguments.n_ubatch, true}));
  llama_seq_id zero = 0;
  Batch batch;
  double seconds = 0;
  for (int round = -1; round < arguments.n_batches; ++round) {
    batch.clear();
    context.clear();
    for (int i = 0; i < arguments.n_ubatch; ++i) {
      const bool want = static_cast<int64_t>((i + 1) * row_share) > static_cast<int64_t>(i * row_share);
      batch.add(static_cast<TokenId>((i * 7919 + round * 104729 + 200000) % model.n_vocab()), i, &zero, 1, want);
    }
    if (context.decode(batch) != DecodeStatus::ok) return fail(ErrorKind::environment, context.decode_error());
    if (round >= 0) seconds += context.last_decode_s();  // the first one warms up
  }
  return arguments.n_ubatch * arguments.n_batches / seconds;
}

Status run(const std::vector<std::string>& words) {
  QEVAL_TRY(Arguments arguments, read_arguments(words));
  LlamaOptions options;
  options.model_path = arguments.model;
  QEVAL_TRY(auto model, LlamaModel::load(options));
  QEVAL_TRY(auto jobs, read_jobs(*model, arguments.requests));
  const Work work = trie_of(jobs);
  if (arguments.trie) {
    fmt::print("{}\n", dump_json({{"trie_tokens", work.n_tokens}, {"rows", work.n_rows}}));
    return {};
  }
  const double share = static_cast<double>(work.n_rows) / static_cast<double>(std::max<int64_t>(work.n_tokens, 1));
  ContextSettings settings;
  settings.n_threads = arguments.n_threads;
  settings.n_ubatch = arguments.n_ubatch;
  settings.max_rows = arguments.n_ubatch;
  DecodeContext context(*model, settings, nullptr);
  QEVAL_TRY(double rate, prefill_rate(context, *model, arguments, share));
  fmt::print("{}\n", dump_json({{"trie_tokens", work.n_tokens}, {"rows", work.n_rows}, {"tokens_per_s", rate},
                                {"ideal_s", static_cast<double>(work.n_tokens) / rate}}));
  return {};
}

}  // namespace
}  // namespace qeval

int main(int argc, char** argv) {
  const qeval::Status status = qeval::run({argv + 1, argv + argc});
  if (status) return 0;
  fmt::print(stderr, "{}\n", status.error().message);
  return 3;
}
