#include <fmt/format.h>

#include "qeval/task/doc_hash.h"
#include "qeval/task/task_class.h"
#include "qeval/text/python_literal.h"
#include "qeval/text/unicode.h"

namespace qeval {

// With a chat template the question's own delimiter is the template's business.
std::string LoadedTask::choice_delimiter() const {
  if (!overrides_.apply_chat_template) return config_.target_delimiter;
  std::string prefix = config_.gen_prefix.is_string() ? config_.gen_prefix.get<std::string>() : "";
  return !prefix.empty() && !ends_with_space(prefix) ? config_.target_delimiter : "";
}

Status LoadedTask::set_gold(const Json& doc, const Json& gold, Sample& sample) const {
  if (config_.spec.scoring.scorer == "truthfulqa_mc2") {
    const Json* labels = doc.contains("mc2_targets") && doc["mc2_targets"].is_object() && doc["mc2_targets"].contains("labels") ? &doc["mc2_targets"]["labels"] : nullptr;
    if (!labels || !labels->is_array() || labels->size() != sample.choices.size())
      return bad_input("mc2_targets: a label for each choice was expected");
    for (size_t i = 0; i < labels->size(); ++i)
      if ((*labels)[i] == 1) sample.gold.push_back(static_cast<int>(i));
    return {};
  }
  for (const Json& one : gold.is_array() ? gold : Json::array({gold})) {
    int64_t index = -1;
    if (one.is_boolean()) index = one.get<bool>();
    else if (one.is_number_integer()) index = one.get<int64_t>();
    else if (one.is_string()) {
      auto it = std::find(sample.choices.begin(), sample.choices.end(), one.get<std::string>());
      if (it != sample.choices.end()) index = it - sample.choices.begin();
    }
    if (index < 0 || index >= static_cast<int64_t>(sample.choices.size()))
      return bad_input(fmt::format("doc_to_target: {} is none of its {} choices", dump_json(one).substr(0, 80), sample.choices.size()));
    sample.gold.push_back(static_cast<int>(index));
  }
  return {};
}

Status LoadedTask::add_choices(const Json& doc, const std::vector<Turn>& before, Parts& out) const {
  Sample& sample = out.sample;
  QEVAL_TRY(sample.choices, prompt_.choices(doc));
  if (sample.choices.empty()) return bad_input("doc_to_choice: there is no choice");
  QEVAL_TRY(Json text, prompt_.text(doc));
  QEVAL_TRY(Json target, prompt_.target(doc));
  QEVAL_TRY(std::string prefix, prompt_.gen_prefix(doc));
  std::string delimiter = choice_delimiter();
  sample.multiple_inputs = multiple_inputs_;
  QEVAL_CHECK(set_gold(doc, multiple_inputs_ ? text : target, sample));
  if (!multiple_inputs_ && text.is_number_integer()) return bad_input("doc_to_text: an index here, a text in the first document");
  for (const std::string& choice : sample.choices) {
    Question question;
    question.turns = before;
    question.begins_answer = !prefix.empty();
    std::vector<Turn> own = prompt_.question(multiple_inputs_ ? choice : python_str(text), prefix, multiple_inputs_);
    std::move(own.begin(), own.end(), std::back_inserter(question.turns));
    question.continuation = delimiter + (multiple_inputs_ ? python_str(target) : choice);
    out.questions.push_back(std::move(question));
    if (mutual_info_) out.unconditional.push_back(delimiter + choice);
  }
  return {};
}

void LoadedTask::set_references(const Json& target, Sample& sample) const {
  if (!sample.choices.empty()) {
    for (int index : sample.gold) sample.references.push_back(sample.choices[static_cast<size_t>(index)]);
  } else if (target.is_array()) {
    for (const Json& one : target) sample.references.push_back(python_str(one));
  } else {
    sample.references.push_back(sample.target);
  }
}

Result<Parts> LoadedTask::parts(int64_t doc_id) const {
  const Json& doc = (*docs_)[static_cast<size_t>(doc_id)];
  Parts out;
  out.sample.doc_id = doc_id;
  out.sample.doc = doc;
  QEVAL_TRY(Json target, prompt_.target(doc));
  out.sample.target = python_str(target);
  if (type() == OutputType::loglikelihood_rolling) {
    out.sample.references.push_back(out.sample.target);
    return out;
  }
  size_t index = static_cast<size_t>(doc_id);
  bool drawn = !ids_.empty() && doc_id <= ids_.back();
  static const FewshotDraws none;
  QEVAL_TRY(std::vector<Turn> before, prompt_.before(doc, overrides_.system_instruction, drawn ? draws_ : none, index, multiple_inputs_));
  if (type() == OutputType::multiple_choice) {
    QEVAL_CHECK(add_choices(doc, before, out));
  } else {
    QEVAL_TRY(Json text, prompt_.text(doc));
    QEVAL_TRY(std::string prefix, prompt_.gen_prefix(doc));
    if (prompt_.has_choices()) {
      QEVAL_TRY(out.sample.choices, prompt_.choices(doc));
      QEVAL_CHECK(set_gold(doc, target, out.sample));
    }
    Question question{std::move(before), !prefix.empty(), ""};
    std::vector<Turn> own = prompt_.question(python_str(text), prefix, false);
    std::move(own.begin(), own.end(), std::back_inserter(question.turns));
    if (type() == OutputType::loglikelihood) question.continuation = out.sample.target;
    out.questions.push_back(std::move(question));
  }
  set_references(target, out.sample);
  return out;
}

Result<Prompt> LoadedTask::prompt_of(const Question& question, const ChatRenderer& render) const {
  if (!overrides_.apply_chat_template) return Prompt(turns_to_text(question.turns));
  ChatPrompt chat = turns_to_chat(overrides_.fewshot_as_multiturn ? question.turns : single_turn(question.turns),
                                  question.begins_answer, overrides_.enable_thinking);
  // A conversation stays messages: the next turn is appended to them, and the engine renders each time.
  if (!render || config_.conversation.is_one()) {
    if (type() == OutputType::generate_until) return Prompt(std::move(chat));
    return fail(ErrorKind::usage, "log-likelihoods with a chat template need an engine that renders it");
  }
  QEVAL_TRY(std::string text, render(chat));
  return Prompt(std::move(text));
}

void LoadedTask::add_generations(const Prompt& prompt, const std::string& json_schema, Sample& sample) const {
  for (int repeat = 0; repeat < config_.spec.repeats; ++repeat) {
    Request request;
    request.kind = RequestKind::generate;
    request.prompt = prompt;
    request.max_new_tokens = generation_.max_new_tokens;
    request.until = generation_.until;
    request.sampling = generation_.sampling;
    request.json_schema = json_schema;
    config_.conversation.set_temperature(sample.doc, overrides_.gen_kwargs, request.sampling);
    request.repeat = repeat;
    sample.requests.push_back(std::move(request));
  }
}

Status LoadedTask::add_agent_requests(const ChatRenderer& render, Sample& sample) const {
  QEVAL_CHECK(agent::prepare_document(sample.doc, *config_.workflow, render));
  add_generations(Prompt(ChatPrompt{}), "", sample);
  for (Request& request : sample.requests) request = agent::opening_request(sample.doc, request, overrides_.enable_thinking);
  return {};
}

void LoadedTask::add_user_turn_requests(Sample& sample) const {
  const agent::UserTurnsOptions options{tool_mode_from(config_.spec.tool_mode).value_or(ToolMode::native), overrides_.system_instruction,
                                        overrides_.enable_thinking};
  add_generations(Prompt(ChatPrompt{}), "", sample);
  for (Request& request : sample.requests) request = agent::first_request(sample.doc, options, request);
}

Result<Sample> LoadedTask::build(size_t i, const ChatRenderer& render) const {
  if (i >= ids_.size()) return fail(ErrorKind::internal, fmt::format("{}: sample {} of {}", config_.spec.name, i, ids_.size()));
  int64_t doc_id = ids_[i];
  auto built = parts(doc_id);
  if (!built) return fail(located(doc_id, built.error()));
  Sample sample = std::move(built->sample);
  sample.doc_hash = doc_hash(sample.doc);
  if (config_.workflow) {
    if (auto added = add_agent_requests(render, sample); !added) return fail(located(doc_id, added.error()));
    return sample;
  }
  if (config_.user_turns) {
    add_user_turn_requests(sample);
    return sample;
  }
  auto likelihood = [](Prompt context, std::string continuation) {
    Request request;
    request.kind = RequestKind::loglikelihood;
    if (auto* text = std::get_if<std::string>(&context)) move_whitespace(*text, continuation);
    request.prompt = std::move(context);
    request.continuation = std::move(continuation);
    return request;
  };
  if (config_.chat.asks()) {
    auto asked = doc_chat(config_.chat, sample.doc, tool_mode_from(config_.spec.tool_mode).value_or(ToolMode::native),
                          overrides_.system_instruction, overrides_.enable_thinking);
    if (!asked) return fail(located(doc_id, asked.error()));
    add_generations(Prompt(std::move(asked->chat)), asked->json_schema, sample);
    return sample;
  }
  for (Question& question : built->questions) {
    auto prompt = prompt_of(question, render);
    if (!prompt) return fail(located(doc_id, prompt.error()));
    if (type() == OutputType::generate_until) add_generations(*prompt, "", sample);
    else sample.requests.push_back(likelihood(std::move(*prompt), std::move(question.continuation)));
  }
  for (std::string& continuation : built->unconditional) sample.requests.push_back(likelihood(std::string(), std::move(continuation)));
  if (type() == OutputType::loglikelihood_rolling) {
    Request request;
    request.kind = RequestKind::loglikelihood_rolling;
    request.prompt = sample.target;
    sample.requests.push_back(std::move(request));
  }
  return sample;
}

Result<std::vector<RawArguments>> LoadedTask::arguments(size_t i, const ChatRenderer& render) const {
  auto built = parts(ids_.at(i));
  if (!built) return fail(located(ids_[i], built.error()));
  std::vector<RawArguments> out;
  for (const Question& question : built->questions) {
    QEVAL_TRY(Prompt prompt, prompt_of(question, render));
    if (!std::holds_alternative<std::string>(prompt)) return fail(ErrorKind::usage, "a chat template needs a renderer");
    out.push_back({std::get<std::string>(std::move(prompt)), question.continuation});
  }
  for (const std::string& continuation : built->unconditional) out.push_back({"", continuation});
  if (type() == OutputType::loglikelihood_rolling) out.push_back({built->sample.target, ""});
  return out;
}

Result<std::vector<RawArguments>> raw_arguments(const Task& task, size_t i, const ChatRenderer& render) {
  auto* loaded = dynamic_cast<const LoadedTask*>(&task);
  if (!loaded || i >= task.doc_ids().size()) return fail(ErrorKind::usage, "not a sample of a task from this registry");
  return loaded->arguments(i, render);
}

}  // namespace qeval
