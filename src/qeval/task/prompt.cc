#include "qeval/task/prompt.h"

#include <fmt/format.h>

#include "qeval/text/python_literal.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

// Joined, with the delimiter only where neither side brings whitespace.
std::string join(const std::string& left, const std::string& right, const std::string& delimiter) {
  if (left.empty() || right.empty()) return left + right;
  return ends_with_space(left) || starts_with_space(right) ? left + right : left + delimiter + right;
}

std::string user_delimiter(const std::string& question, bool answered, const std::string& gen_prefix, const std::string& delimiter) {
  if (gen_prefix.empty()) return answered ? delimiter : "";
  bool needed = !question.empty() && !ends_with_space(question) && !starts_with_space(gen_prefix);
  return needed ? delimiter : "";
}

Result<const Json*> pick(const std::vector<Json>& list, const Json& index, const char* key) {
  int64_t at = index.is_boolean() ? index.get<bool>() : index.get<int64_t>();
  int64_t size = static_cast<int64_t>(list.size());
  if (at < 0) at += size;
  if (at < 0 || at >= size) return bad_input(fmt::format("{}: {} is no index of {} choices", key, index.dump(), size));
  return &list[static_cast<size_t>(at)];
}

bool is_index(const Json& value) { return value.is_number_integer() || value.is_boolean(); }

// The answer of a few-shot example as text.
Result<std::string> answer_text(const Json& target, const std::vector<Json>* choices) {
  if (choices && is_index(target)) {
    QEVAL_TRY(const Json* choice, pick(*choices, target, "doc_to_target"));
    return python_str(*choice);
  }
  if (target.is_array()) return target.empty() ? std::string() : python_str(target[0]);
  return target.is_null() ? std::string() : python_str(target);
}

template <typename T>
Result<T> named(Result<T> result, const char* key) {
  if (!result) return fail(result.error().in(key));
  return result;
}

}  // namespace

bool starts_with_space(const std::string& text) { return !text.empty() && py_lstrip(std::string_view(text).substr(0, 4)).size() != std::min<size_t>(4, text.size()); }

bool ends_with_space(const std::string& text) {
  size_t start = text.size();
  while (start > 0 && text.size() - start < 4 && (start == text.size() || (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80)) --start;
  std::string_view last = std::string_view(text).substr(start);
  return !last.empty() && py_rstrip(last).empty();
}

void move_whitespace(std::string& context, std::string& continuation) {
  std::string stripped = py_rstrip(context);
  continuation = context.substr(stripped.size()) + continuation;
  context = std::move(stripped);
}

std::string turns_to_text(const std::vector<Turn>& turns) {
  std::string out;
  for (const Turn& turn : turns) out += turn.content + turn.delimiter;
  return out;
}

std::vector<Turn> single_turn(std::vector<Turn> turns) {
  std::vector<Turn> out;
  if (!turns.empty() && turns.front().role == "system") {
    out.push_back(turns.front());
    turns.erase(turns.begin());
  }
  std::optional<Turn> begun;
  if (!turns.empty() && turns.back().role == "assistant") {
    begun = turns.back();
    turns.pop_back();
  }
  if (!turns.empty()) {
    turns.back().delimiter.clear();
    out.push_back({"user", turns_to_text(turns), ""});
  }
  if (begun) out.push_back(*begun);
  return out;
}

ChatPrompt turns_to_chat(const std::vector<Turn>& turns, bool continue_final_message, std::optional<bool> enable_thinking) {
  ChatPrompt chat;
  for (const Turn& turn : turns) chat.messages.push_back({turn.role, turn.content, nullptr});
  chat.continue_final_message = continue_final_message;
  chat.enable_thinking = enable_thinking;
  return chat;
}

Result<PromptBuilder> PromptBuilder::compile(const TaskConfig& task, const std::unordered_set<std::string>& columns) {
  PromptBuilder out;
  struct Entry {
    Field* field;
    const Json* spec;
    const char* key;
  } entries[] = {
      {&out.text_, &task.doc_to_text, "doc_to_text"},
      {&out.target_, &task.doc_to_target, "doc_to_target"},
      {&out.choice_, &task.doc_to_choice, "doc_to_choice"},
      {&out.gen_prefix_, &task.gen_prefix, "gen_prefix"},
      {&out.description_, &task.description, "description"},
      {&out.shot_text_, &task.fewshot.doc_to_text, "fewshot_config"},
      {&out.shot_target_, &task.fewshot.doc_to_target, "fewshot_config"},
      {&out.shot_choice_, &task.fewshot.doc_to_choice, "fewshot_config"},
      {&out.shot_gen_prefix_, &task.fewshot.gen_prefix, "fewshot_config"},
  };
  for (const Entry& entry : entries) {
    if (*entry.spec == "") continue;
    auto field = Field::compile(*entry.spec, columns);
    if (!field) return fail(task.merged->wrong(entry.key, field.error().message));
    *entry.field = std::move(*field);
  }
  out.target_delimiter_ = task.target_delimiter;
  out.fewshot_delimiter_ = task.fewshot_delimiter;
  out.shot_target_delimiter_ = task.fewshot.target_delimiter;
  out.shot_fewshot_delimiter_ = task.fewshot.fewshot_delimiter;
  return out;
}

Result<Json> PromptBuilder::text(const Json& doc) const {
  if (text_.empty()) return Json("");
  return named(text_.as_text(doc, has_choices()), "doc_to_text");
}

Result<Json> PromptBuilder::target(const Json& doc) const {
  if (target_.empty()) return Json("");
  return named(target_.as_target(doc, has_choices()), "doc_to_target");
}

Result<std::vector<std::string>> PromptBuilder::choices(const Json& doc) const {
  QEVAL_TRY(std::vector<Json> list, named(choice_.as_choices(doc), "doc_to_choice"));
  std::vector<std::string> out;
  for (const Json& choice : list) out.push_back(python_str(choice));
  return out;
}

Result<std::string> PromptBuilder::gen_prefix(const Json& doc) const { return named(gen_prefix_.as_string(doc), "gen_prefix"); }

Result<std::vector<Turn>> PromptBuilder::shot(const Json& doc, bool multiple_inputs) const {
  std::optional<std::vector<Json>> choices;
  if (!shot_choice_.empty()) {
    QEVAL_TRY(choices, named(shot_choice_.as_choices(doc), "few-shot doc_to_choice"));
  }
  Json text("");
  if (!shot_text_.empty()) {
    QEVAL_TRY(text, named(shot_text_.as_text(doc, has_choices()), "few-shot doc_to_text"));
  }
  QEVAL_TRY(Json target, named(shot_target_.as_target(doc, has_choices()), "few-shot doc_to_target"));
  QEVAL_TRY(std::string prefix, named(shot_gen_prefix_.as_string(doc), "few-shot gen_prefix"));
  if (multiple_inputs) {
    if (!choices || !is_index(text)) return bad_input("few-shot doc_to_text: an index of doc_to_choice was expected");
    QEVAL_TRY(const Json* chosen, pick(*choices, text, "few-shot doc_to_text"));
    text = *chosen;
    choices.reset();
  }
  std::string question = python_str(text);
  QEVAL_TRY(std::string answer, answer_text(target, choices ? &*choices : nullptr));
  bool answered = !target.is_null() && target != "";
  std::vector<Turn> turns = {{"user", question, user_delimiter(question, answered, prefix, shot_target_delimiter_)}};
  if (answered) turns.push_back({"assistant", join(prefix, answer, " "), shot_fewshot_delimiter_});
  else if (!prefix.empty()) turns.push_back({"assistant", prefix, ""});
  return turns;
}

Result<std::vector<Turn>> PromptBuilder::before(const Json& doc, const std::string& system_instruction, const FewshotDraws& draws,
                                                size_t doc_index, bool multiple_inputs) const {
  QEVAL_TRY(std::string description, named(description_.as_string(doc), "description"));
  std::vector<Turn> turns;
  std::string system = join(system_instruction, description, fewshot_delimiter_);
  if (!system.empty()) turns.push_back({"system", system, ""});
  for (size_t i = 0; i < draws.n_shots(doc_index); ++i) {
    QEVAL_TRY(std::vector<Turn> example, shot(draws.shot(doc_index, i), multiple_inputs));
    std::move(example.begin(), example.end(), std::back_inserter(turns));
  }
  return turns;
}

std::vector<Turn> PromptBuilder::question(const std::string& question, const std::string& gen_prefix, bool multiple_inputs) const {
  std::string delimiter = multiple_inputs ? "" : target_delimiter_;
  std::vector<Turn> turns = {{"user", question, user_delimiter(question, false, gen_prefix, delimiter)}};
  if (!gen_prefix.empty()) turns.push_back({"assistant", gen_prefix, ""});
  return turns;
}

}  // namespace qeval
