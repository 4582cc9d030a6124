#pragma once

#include <map>
#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/report/run_view.h"
#include "qeval/util/result.h"

namespace qeval {

struct TrackerInput {
  std::vector<RunView> runs;        // oldest first
  std::vector<ModelSpec> models;
  std::vector<Preset> presets;
  Json imported;                    // historic rows of a first tracker (import_v1), or null
  std::string adopted;              // text of a document that was there before, kept whole
};

// From the store; models and presets are the caller's to fill in.
Result<TrackerInput> tracker_input(const Store& store);

// The document. Equal input gives equal bytes: "last updated" is the newest run's end, not the clock. `kept` are the
// texts of people by mark name; every mark stands in the document, filled or empty.
std::string render_tracker(const TrackerInput& input, const std::map<std::string, std::string>& kept);
// The dataset tables alone, free of times, memory and run numbers: equal scores give equal bytes.
std::string tracker_quality_part(const TrackerInput& input);

// The marks that make a file qeval's own.
bool is_own_tracker(const std::string& text);
std::map<std::string, std::string> kept_texts(const std::string& text);

// Error (bad_input) where `path` is a document without qeval's marks: it is left as it is.
Status check_tracker_writable(const std::string& path);
Status update_tracker_file(const std::string& path, const TrackerInput& input);

// Rows of a v1 tracker document: models, presets, scores, system performance; all historic and unverified.
Result<Json> import_tracker_v1(const std::string& text);

}  // namespace qeval
