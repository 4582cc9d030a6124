#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/cli/compose.h"
#include "qeval/plan/calibration.h"

namespace qeval {

// A model as a plan needs it, and whether its weights are F32 (llama then keeps KV in F32).
struct PlannedModel {
  PlanModel model;
  bool is_gguf = false, reference = false;
};
// A registry id or HF id, a GGUF, a config.json, or a folder in Hugging Face layout. Nothing is downloaded. Errors name what
// is missing or not known.
Result<PlannedModel> planned_model(const std::string& asked);

// "auto": the first GPU found, else this CPU; "cpu": measured for two seconds and remembered for a day; else the table.
Result<Hardware> planned_hardware(const std::string& asked);

// What runs in the store reached. An absent store: nothing known.
Result<Calibration> stored_calibration(const std::string& store, const std::string& engine, const Hardware& hardware, const std::string& model,
                                       double weights);
Result<Calibration> stored_calibration(const Store& store, const std::string& engine, const Hardware& hardware, const std::string& model,
                                       double weights);

// For a run: the plan's figures beside what was measured. Null where the model or the hardware is not known.
std::function<Json(const RunPerformance&)> run_prediction(const EnginePlan& engine, const Store& store, const std::string& model_path);

}  // namespace qeval
