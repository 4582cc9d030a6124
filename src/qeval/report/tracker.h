#pragma once

#include <map>
#include <string>
#include <vector>

#include "qeval/core/model_spec.h"
#include "qeval/report/run_view.h"
#include "qeval/util/result.h"

namespace qeval {

struct TrackerInput {
  std::vector<RunView> runs;      // oldest first
  std::vector<ModelSpec> models;  // the registry, in its order
  std::vector<Preset> presets;    // in the registry's order
  std::vector<Json> judged_pairs; // {first_run, second_run, judge, judge_run, result}, as a judge run kept them; oldest first
  Json imported;                  // historic rows of a first tracker (import_tracker_v1), or null
  std::string adopted;            // text of a document that was there before; kept whole
};

// From the store; models and presets are the caller's to fill in.
Result<TrackerInput> tracker_input(const Store& store);

// The document, with the headings of the first tracker in their order. Equal input gives equal bytes: "Last Updated" is
// the newest run's end, not the clock. `kept` are the texts of people by mark name (see kept_texts); every known mark
// stands in the document, filled or empty, and texts under other names go to its end. What models, data and files wrote
// is escaped.
std::string render_tracker(const TrackerInput& input, const std::map<std::string, std::string>& kept);

// What was scored and how it failed, alone: free of times, memory, speed and run numbers. Equal scores give equal
// bytes.
std::string tracker_quality_part(const TrackerInput& input);

// A line "<!-- qeval:tracker …" near the top makes a file qeval's own.
bool is_own_tracker(const std::string& text);
// Texts between the lines "<!-- qeval:keep NAME -->" and "<!-- /qeval:keep -->", by name; of equal names, joined.
// Error (bad_input) with the line where a mark is not closed: nothing may be lost by rewriting.
Result<std::map<std::string, std::string>> kept_texts(const std::string& text);

// Error (bad_input) where `path` is a document without qeval's marks, or one whose marks are broken.
Status check_tracker_writable(const std::string& path);
// Reads the kept texts of `path`, renders, and replaces the file in one step if its bytes change. On any error the file
// is as it was.
Status update_tracker_file(const std::string& path, const TrackerInput& input);

// Rows of a v1 tracker document as {last_updated, framework, gpu, models, scores, facts, verified, source_sha256}; all
// of it historic and unverified. Error (bad_input): the document has no table of scores.
Result<Json> import_tracker_v1(const std::string& text);

}  // namespace qeval
