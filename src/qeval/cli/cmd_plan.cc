#include <fmt/format.h>

#include "qeval/cli/command.h"
#include "qeval/cli/plan_inputs.h"
#include "qeval/cli/run_options.h"
#include "qeval/text/table.h"

namespace qeval {
namespace {

struct PlanArguments {
  CommonOptions common;
  std::string model, hardware = "auto", preset = "balanced", engine, concurrency = "1,8,32,64,128,256";
  std::vector<std::string> set;
  double prompt_tokens = 1024, output_tokens = 256;
};

Result<std::vector<int>> counts(const std::string& list) {
  std::vector<int> out;
  for (const std::string& item : split_commas(list)) {
    char* end = nullptr;
    long value = std::strtol(item.c_str(), &end, 10);
    if (*end != '\0' || value < 1 || value > 1'000'000)
      return fail(ErrorKind::usage, fmt::format("--concurrency {}: “{}” is not a positive integer", list, item));
    out.push_back(static_cast<int>(value));
  }
  if (out.empty()) return fail(ErrorKind::usage, "--concurrency: numbers separated by commas were expected");
  return out;
}

std::string grouped(double value) {
  std::string digits = fmt::format("{:.0f}", value), out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0 && digits[i - 1] != '-') out += ',';
    out += digits[i];
  }
  return out;
}

std::string gigabytes(double bytes) { return fmt::format("{:.2f} GB", bytes / 1e9); }
std::string rate(double value) { return value >= 100 ? grouped(value) : fmt::format("{:.1f}", value); }

void print_memory(const DeploymentRequest& r, const Deployment& d) {
  fmt::print("predicted: {} · {}, preset {} · {}{}\n\n", r.model.name, r.engine, r.preset.name,
             d.serving.devices() > 1 ? fmt::format("{} × ", d.serving.devices()) : "", r.hardware.name);
  fmt::print("memory     weights {}, working memory about {}, for KV {} of {} ({} in all)\n", gigabytes(d.weight_bytes),
             gigabytes(d.activation_bytes), gigabytes(d.kv_budget_bytes), gigabytes(d.budget_bytes), gigabytes(d.memory_bytes));
  fmt::print("KV         {:.2f} KiB per token: {} tokens", d.kv_bytes_per_token / 1024, grouped(static_cast<double>(d.kv_tokens)));
  if (d.state_bytes_per_sequence > 0)
    fmt::print("; and {:.1f} MiB of state per sequence, in blocks of {} tokens", d.state_bytes_per_sequence / 1048576, d.kv_block_tokens);
  fmt::print("\nsequences  {} of {:.0f} tokens ({:.0f} prompt, {:.0f} answer); {} of max_model_len {}\n", d.fit_expected, d.expected_tokens,
             r.prompt_tokens, r.output_tokens, d.fit_max_len, d.max_model_len);
  fmt::print("promise    {} sequences × {} tokens: {}\n", r.preset.max_num_seqs * d.serving.data_parallel, d.max_model_len,
             d.promise_holds ? "holds" : "does not hold");
  fmt::print("prompts    {} tokens/s at the roofline\n", rate(d.prefill_tokens_per_second));
}

void print_throughput(const DeploymentRequest& r, const Deployment& d) {
  bool measured = r.decode_efficiency.known();
  Table table;
  table.headers = {"Concurrency", "Running", "Step", "Generated tok/s", "Per stream", "With prompts"};
  if (measured) table.headers.insert(table.headers.end(), {"Expected", "With prompts"});
  table.headers.push_back("Bound by");
  table.aligns.assign(table.headers.size(), Align::right);
  table.aligns.back() = Align::left;
  for (const ThroughputRow& t : d.rows) {
    std::vector<std::string> row = {std::to_string(t.asked), std::to_string(t.running), fmt::format("{:.2f} ms", t.step_s * 1e3), rate(t.tokens_per_second),
                                    rate(t.per_stream), rate(t.sustained)};
    if (measured) {
      row.push_back(t.expected ? rate(*t.expected) : "");
      row.push_back(t.expected_sustained ? rate(*t.expected_sustained) : "*unmeasured*");
    }
    row.push_back(t.bound);
    table.rows.push_back(std::move(row));
  }
  fmt::print("\n{}", table.terminal());
  if (measured)
    fmt::print("expected: {:.0f} to {:.0f} % of the roofline for answers{}, from {}\n", 100 * r.decode_efficiency.least(), 100 * r.decode_efficiency.most(),
               r.prefill_efficiency > 0 ? fmt::format(", {:.0f} % for prompts", 100 * r.prefill_efficiency) : "", r.efficiency_source);
  else
    fmt::print("at the roofline; what of it is reached is *unmeasured*: no earlier run with this engine on this hardware in the store\n");
  fmt::print("hardware figures: {}\n", r.hardware.source);
  for (const std::string& note : d.notes) fmt::print("note: {}\n", note);
}

Result<int> plan(const PlanArguments& o) {
  DeploymentRequest request;
  QEVAL_TRY(PlannedModel model, planned_model(o.model));
  request.model = model.model;
  request.reference_weights = model.reference;
  request.engine = !o.engine.empty() ? o.engine : model.is_gguf ? "llama" : "vllm";
  QEVAL_TRY(request.hardware, planned_hardware(o.hardware));
  QEVAL_TRY(request.preset, preset_with_settings(o.preset, o.set));
  QEVAL_TRY(request.concurrency, counts(o.concurrency));
  request.prompt_tokens = o.prompt_tokens;
  request.output_tokens = o.output_tokens;
  QEVAL_TRY(Serving serving, serving_of(request.preset, request.engine, request.reference_weights));
  QEVAL_TRY(Calibration known, stored_calibration(o.common.store, request.engine, request.hardware, request.model.name, weight_bytes(request.model, serving)));
  request.decode_efficiency = std::move(known.decode);
  request.prefill_efficiency = known.prefill;
  request.efficiency_source = known.source;
  QEVAL_TRY(Deployment deployment, plan_deployment(request));
  if (o.common.json) {
    fmt::print("{}\n", dump_json(to_json(request, deployment), 2));
  } else {
    print_memory(request, deployment);
    if (deployment.weights_fit) print_throughput(request, deployment);
    else for (const std::string& note : deployment.notes) fmt::print("{}\n", note);
  }
  return deployment.weights_fit ? kDone : kCheckFailed;
}

}  // namespace

void add_plan_command(CLI::App& app, Command& command) {
  auto o = std::make_shared<PlanArguments>();
  CLI::App* sub = app.add_subcommand("plan", "Predict memory, sequences that fit and throughput of a model on a device, before it is deployed");
  sub->add_option("--model", o->model, "Registry id, HF id, GGUF, config.json, or a folder in Hugging Face layout")->required();
  sub->add_option("--hardware", o->hardware, "h100, h200, a100, l40s, l4, rtx4090, cpu (measured here), auto, or NAME:MEMORY_GB:BANDWIDTH_GB_S:TFLOPS")
      ->capture_default_str();
  sub->add_option("--preset", o->preset, "Serving preset (see `qeval presets`)")->capture_default_str();
  sub->add_option("--set", o->set, "Change a setting of the preset: max_num_seqs=32, vllm.tensor_parallel_size=2, vllm.quantization=fp8 …");
  sub->add_option("--engine", o->engine, "vllm or llama (default: llama for a GGUF)")->check(CLI::IsMember({"vllm", "llama"}));
  sub->add_option("--prompt-tokens", o->prompt_tokens, "Of an expected request")->capture_default_str()->check(CLI::PositiveNumber);
  sub->add_option("--output-tokens", o->output_tokens, "Of an expected answer")->capture_default_str()->check(CLI::PositiveNumber);
  sub->add_option("--concurrency", o->concurrency, "Requests at a time, a row each")->capture_default_str();
  add_store_option(*sub, o->common);
  add_json_option(*sub, o->common);
  add_examples(*sub,
               "  qeval plan --model qwen2.5-14b-instruct --hardware h100 --preset performance\n"
               "  qeval plan --model qwen3-30b-a3b --hardware h100 --set vllm.quantization=fp8 --prompt-tokens 4096\n"
               "  qeval plan --model qwen2.5-72b-instruct --hardware a100 --set vllm.tensor_parallel_size=4\n"
               "  qeval plan --model ./model.gguf --hardware cpu --concurrency 1,4,16 --json");
  sub->callback([&command, o] { command.action = [o] { return plan(*o); }; });
}

}  // namespace qeval
