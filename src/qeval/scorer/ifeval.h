#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qeval/core/sample.h"
#include "qeval/core/task_spec.h"
#include "qeval/text/language_detector.h"
#include "qeval/text/sentences.h"
#include "qeval/util/result.h"

namespace qeval {

// What the checks of IFEval read beside the answer.
struct IfevalModels {
  SentenceSplitter sentences;
  LanguageDetector languages;
};
// `folder` holds punkt/english/{abbrev_types.txt, collocations.tab, ortho_context.tab, sent_starters.txt} and
// langdetect/profiles/*, langdetect/messages.properties. Error (bad_input) names the missing file and the command that
// fetches it.
Result<IfevalModels> load_ifeval_models(const std::string& folder);

// One instruction of a prompt, decided on one text. Source of the rules: instruction_following_eval (Zhou et al. 2023,
// arXiv:2311.07911) in lm-eval 0.4.13.
struct IfevalInstruction {
  std::string id;      // "keywords:existence"
  Json kwargs;         // the ones that are set
};
// Error (bad_input): unknown id, a missing or unfit argument. A text of white space alone follows nothing.
Result<bool> follows(const IfevalInstruction& instruction, std::string_view text, const IfevalModels& models);
std::vector<std::string> ifeval_kinds();  // all 25 ids

// The texts of which one must follow an instruction to pass loosely: as is, without the first, the last, both lines,
// each also without asterisks; without doubles.
std::vector<std::string> loose_variants(const std::string& text);

// Scores the first response; metrics as lm-eval names them: prompt_level_{strict,loose}_acc (0 or 1) and
// inst_level_{strict,loose}_acc (right and all instructions in details["weighted"]). details["instructions"] holds
// {"id", "strict", "loose"} each. Classes: correct (strict); else unfinished_thinking, truncated, empty_or_refusal (blank),
// wrong_format (all hold loosely), wrong_answer; the explanation names what was not followed. An answer of more than
// 256 KiB follows nothing. Two letters of the data set ('#' and '!') are counted as they are; the original draws another
// letter at random for them.
class IfevalChecker {
 public:
  static Result<IfevalChecker> compile(const TaskSpec& spec);
  Score score(const Sample& sample, const Response& response) const;  // thread-safe

 private:
  ScoringSpec scoring_;
  std::shared_ptr<const IfevalModels> models_;
};

}  // namespace qeval
