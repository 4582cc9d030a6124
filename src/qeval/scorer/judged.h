#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"

namespace qeval {

// Rating in a judge's text, as FastChat reads it: the first [[8]] or [[7.5]], else the first [8]. Linear; nullopt where
// there is none.
std::optional<double> parse_rating(std::string_view text);

// Verdict of a comparison, as FastChat reads it: [[A]] anywhere, else [[B]], else [[C]] (a tie).
enum class Preference { none = 0, first = 1, second = 2, tie = 3 };
Preference parse_preference(std::string_view text);

// Scores of open-ended answers that a judge rates (metrics "rating", "rating_turn_1" …). Before a judge has read them
// they hold no metric: class not_judged, or what is wrong with the form of an answer (truncated, empty_or_refusal,
// unfinished_thinking).
Score unjudged_score(const Sample& sample, const std::vector<Response>& responses, const ScoringSpec& scoring);

// What a judge wrote, read as a rating ("reads": "rating" in scorer_options) or a comparison ("preference"). Metrics:
// "readable" 0 or 1; "given", the rating, where there is one. extracted: "8.5"; "A", "B", "C". Classes: correct
// (readable), else unfinished_thinking, truncated, no_rating.
Score judgement_score(const Sample& sample, const Response& response, const ScoringSpec& scoring);

// The answers of one repeat, turn by turn, as a judge sees them: valid UTF-8 without reasoning.
std::vector<std::string> answers_by_turn(const Sample& sample, const std::vector<Response>& responses, int repeat,
                                         const ScoringSpec& scoring);

}  // namespace qeval
