#pragma once

#include <map>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/util/result.h"

namespace qeval {

// What a judge is asked: MT-Bench's eight prompts (Zheng et al. 2023, arXiv:2306.05685, as FastChat publishes them):
// single-v1, single-math-v1, pair-v2, pair-math-v1, each also -multi-turn.
struct JudgePrompt {
  std::string name, system, text;  // text with {question}, {answer_a} … to be filled
};

class JudgePrompts {
 public:
  static Result<JudgePrompts> shipped();
  // One JSON object a line: name, system_prompt, prompt_template. Error (bad_input): file, line, key.
  static Result<JudgePrompts> parse(const std::string& jsonl, const std::string& file);
  Result<JudgePrompt> named(const std::string& name) const;
  const std::string& sha256() const { return sha256_; }  // of all prompts: part of a score's identity

 private:
  std::map<std::string, JudgePrompt> prompts_;
  std::string sha256_;
};

// The conversation for the judge. Values are filled in once: braces in an answer stay what they are. Error (internal):
// the prompt asks for a value that is not given.
Result<ChatPrompt> fill_prompt(const JudgePrompt& prompt, const std::map<std::string, std::string>& values);

}  // namespace qeval
