#include "qeval/cli/plan_inputs.h"

#include <fmt/format.h>

#include <filesystem>

#include "qeval/monitor/device_probe.h"
#include "qeval/plan/cpu_speed.h"
#include "qeval/registry/model_registry.h"
#include "qeval/util/clock.h"
#include "qeval/util/file.h"
#ifdef QEVAL_WITH_LLAMA
#include "qeval/engine/llama/llama_engine.h"
#endif

namespace qeval {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCpuSpeedKeptMs = 24 * 3600 * 1000;

Result<PlannedModel> from_config(const std::string& file, const std::string& name, double weight_bytes) {
  QEVAL_TRY(std::string text, read_file(file));
  auto config = parse_json(text);
  if (!config) return fail(config.error().in(file));
  auto shape = shape_from_config(*config);
  if (!shape) return fail(shape.error().in(file));
  PlannedModel out;
  out.model = plan_model_from_shape(*shape, name);
  // A quantised checkpoint is as large as it is; one that vLLM converts while loading (F32, F16) counts by its weights.
  if (weight_bytes > 0 && config->contains("quantization_config")) out.model.weight_bytes = weight_bytes;
  return out;
}

double safetensors_bytes(const std::string& folder) {
  double sum = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".safetensors") sum += static_cast<double>(fs::file_size(entry.path(), ignored));
  return sum;
}

Result<PlannedModel> from_gguf(const std::string& path) {
#ifdef QEVAL_WITH_LLAMA
  QEVAL_TRY(GgufFacts facts, gguf_facts(path));
  QEVAL_TRY(WeightsIdentity weights, inspect_gguf(path));
  auto shape = shape_from_config(facts.config);
  if (!shape) return fail(shape.error().in(path));
  PlannedModel out;
  out.model = plan_model_from_shape(*shape, weights.name.empty() ? fs::path(path).filename().string() : weights.name);
  out.model.weight_bytes = static_cast<double>(facts.tensor_bytes);
  out.model.embedding_bytes = static_cast<double>(facts.embedding_bytes);
  out.is_gguf = true;
  out.reference = weights.quantization == "F32";
  return out;
#else
  return fail(ErrorKind::environment, path + ": this qeval was built without llama.cpp, it reads no GGUF");
#endif
}

Result<Hardware> this_cpu() {
  Json environment = host_environment();
  double memory = static_cast<double>(json_int(environment, "memory_limit_bytes", json_int(environment, "memory_bytes")));
  std::string name = fmt::format("{}, {} threads", json_string(environment, "cpu", "CPU"), json_number(environment, "usable_cores", 1));
  std::string file = user_cache_dir() + "/cpu-speed.json";
  if (auto text = read_file(file))
    if (auto json = parse_json(*text); json && json_string(*json, "name") == name && json->contains("peak_flops") && utc_now_ms() - json_int(*json, "measured_ms") < kCpuSpeedKeptMs)
      return Hardware{"cpu", name, memory, json_number(*json, "bandwidth"), json_number(*json, "peak_flops"), true, "measured on this machine"};
  console().progress("measuring this CPU (2 s)");
  Hardware out = measured_cpu(memory, name);
  console().progress_done();
  Json kept = {{"name", name}, {"bandwidth", out.bandwidth}, {"peak_flops", out.flops}, {"measured_ms", utc_now_ms()}};
  if (make_directories(user_cache_dir())) (void)write_file_atomic(file, dump_json(kept) + "\n");
  return out;
}

}  // namespace

Result<PlannedModel> planned_model(const std::string& asked) {
  std::error_code ignored;
  if (fs::path(asked).extension() == ".gguf") {
    if (!file_exists(asked)) return bad_input(fmt::format("--model {}: no such file", asked));
    return from_gguf(asked);
  }
  std::string name = fs::path(asked).filename().string();
  if (fs::is_directory(asked, ignored)) return from_config(asked + "/config.json", name, safetensors_bytes(asked));
  if (fs::is_regular_file(asked, ignored)) return from_config(asked, fs::absolute(asked).parent_path().filename().string(), 0);
  QEVAL_TRY(auto models, all_models());
  std::string id = asked.rfind("hf:", 0) == 0 ? asked.substr(3, asked.find(':', 3) - 3) : asked;
  QEVAL_TRY(ModelSpec spec, find_model(models, id));
  PlannedModel out;
  QEVAL_TRY(out.model, plan_model_from_spec(spec));
  return out;
}

Result<Hardware> planned_hardware(const std::string& asked) {
  if (asked != "auto" && asked != "cpu") return find_hardware(asked);
  if (asked == "auto") {
    if (auto devices = open_nvml()) {
      std::vector<DeviceReading> found = devices->read();
      if (!found.empty()) return hardware_for_device(found.front().name, static_cast<double>(found.front().total_bytes));
    }
  }
  return this_cpu();
}

Result<Calibration> stored_calibration(const std::string& path, const std::string& engine, const Hardware& hardware, const std::string& model, double weights) {
  if (!file_exists(path)) return Calibration{};
  QEVAL_TRY(auto store, open_store(path, {.read_only = true, .create = false}));
  return stored_calibration(*store, engine, hardware, model, weights);
}

Result<Calibration> stored_calibration(const Store& store, const std::string& engine, const Hardware& hardware, const std::string& model, double weights) {
  QEVAL_TRY(auto runs, store.runs());
  std::vector<EarlierRun> earlier;
  for (const RunRecord& run : runs)
    if (Json predicted = run_performance_from_json(run.performance).predicted; predicted.is_object()) earlier.push_back({run.id, predicted});
  return calibrate(earlier, engine, hardware.name, model, weights);
}

std::function<Json(const RunPerformance&)> run_prediction(const EnginePlan& engine, const Store& store, const std::string& model_path) {
  if (engine.engine != "llama" && engine.engine != "vllm") return nullptr;
  return [engine, &store, model_path](const RunPerformance& measured) -> Json {
    auto model = planned_model(model_path);
    if (!model && engine.spec) model = planned_model(engine.spec->id);
    if (!model) return nullptr;
    auto hardware = planned_hardware("auto");
    if (!hardware) return nullptr;
    auto serving = serving_of(engine.preset, engine.engine, model->reference);
    if (!serving) return nullptr;
    auto before = stored_calibration(store, engine.engine, *hardware, model->model.name, weight_bytes(model->model, *serving));
    RunFacts facts{model->model, *serving, *hardware, engine.engine, engine.preset, model->reference};
    return predict_run(facts, measured, before ? *before : Calibration{});
  };
}

}  // namespace qeval
