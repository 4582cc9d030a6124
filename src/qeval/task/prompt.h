#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/task/fields.h"
#include "qeval/task/fewshot.h"
#include "qeval/task/task_config.h"

namespace qeval {

// A piece of a prompt: a chat turn, or text followed by its delimiter.
struct Turn {
  std::string role;
  std::string content;
  std::string delimiter;
};

std::string turns_to_text(const std::vector<Turn>& turns);
// All turns but a leading system turn and a trailing beginning of the answer folded into one user turn.
std::vector<Turn> single_turn(std::vector<Turn> turns);
ChatPrompt turns_to_chat(const std::vector<Turn>& turns, bool continue_final_message, std::optional<bool> enable_thinking);

// Builds the turns of one task's documents, to the byte as lm-eval 0.4.13. Immutable and thread-safe.
class PromptBuilder {
 public:
  static Result<PromptBuilder> compile(const TaskConfig& task, const std::unordered_set<std::string>& columns);

  Result<Json> text(const Json& doc) const;                  // text, or an integer (multiple inputs)
  Result<Json> target(const Json& doc) const;
  Result<std::vector<std::string>> choices(const Json& doc) const;
  Result<std::string> gen_prefix(const Json& doc) const;
  bool has_choices() const { return !choice_.empty(); }

  // System and few-shot turns before the question.
  Result<std::vector<Turn>> before(const Json& doc, const std::string& system_instruction, const FewshotDraws& draws,
                                   size_t doc_index, bool multiple_inputs) const;
  // The question's own turns: `question` and, if there is a gen_prefix, the beginning of the answer.
  std::vector<Turn> question(const std::string& question, const std::string& gen_prefix, bool multiple_inputs) const;

 private:
  Result<std::vector<Turn>> shot(const Json& doc, bool multiple_inputs) const;

  Field text_, target_, choice_, gen_prefix_, description_;
  Field shot_text_, shot_target_, shot_choice_, shot_gen_prefix_;
  std::string target_delimiter_, fewshot_delimiter_, shot_target_delimiter_, shot_fewshot_delimiter_;
};

bool starts_with_space(const std::string& text);
bool ends_with_space(const std::string& text);

// Trailing whitespace of the context moves to the front of the continuation, as lm-eval tokenises.
void move_whitespace(std::string& context, std::string& continuation);

}  // namespace qeval
