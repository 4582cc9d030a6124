#include "qeval/task/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "qeval/core/reasoning.h"
#include "qeval/text/unicode.h"

namespace qeval {

Result<size_t> Conversation::n_turns(const Json& doc) const {
  auto it = doc.find(turns_field);
  bool texts = it != doc.end() && it->is_array() && !it->empty() &&
               std::all_of(it->begin(), it->end(), [](const Json& turn) { return turn.is_string(); });
  if (!texts) return bad_input(fmt::format("the field '{}' is no list of texts", turns_field));
  return it->size();
}

void Conversation::set_temperature(const Json& doc, const Json& kwargs, Sampling& sampling) const {
  if (temperature_field.empty()) return;
  if (kwargs.is_object() && (kwargs.contains("temperature") || kwargs.contains("do_sample"))) return;
  auto found = temperatures.find(json_string(doc, temperature_field));
  sampling.temperature = found == temperatures.end() ? default_temperature : found->second;
}

Result<std::vector<Request>> Conversation::follow_up(const Sample& sample, const std::vector<Response>& responses,
                                                     int repeats, const std::string& think_end_token) const {
  QEVAL_TRY(size_t n, n_turns(sample.doc));
  auto n_repeats = static_cast<size_t>(std::max(1, repeats));
  size_t n_answered = sample.requests.size() / n_repeats;
  std::vector<Request> out;
  if (n_answered == 0 || n_answered >= n || responses.size() != sample.requests.size()) return out;
  for (size_t i = (n_answered - 1) * n_repeats; i < sample.requests.size(); ++i) {
    Request next = sample.requests[i];
    auto* chat = std::get_if<ChatPrompt>(&next.prompt);
    if (!chat) return fail(ErrorKind::internal, "a conversation was not asked as chat messages");
    chat->messages.push_back({"assistant", after_reasoning(valid_utf8(responses[i].text), think_end_token), {}});
    chat->messages.push_back({"user", sample.doc[turns_field][n_answered].get<std::string>(), {}});
    out.push_back(std::move(next));
  }
  return out;
}

Result<Conversation> parse_conversation(const MergedConfig& merged) {
  Conversation out;
  const Json& config = merged.config;
  if (!config.contains("metadata") || !config["metadata"].is_object()) return out;
  const Json& metadata = config["metadata"];
  if (metadata.contains("turns")) {
    if (!metadata["turns"].is_string()) return fail(merged.wrong("metadata", "turns: the name of a field was expected"));
    out.turns_field = metadata["turns"].get<std::string>();
  }
  if (!metadata.contains("temperature_by")) return out;
  const Json& by = metadata["temperature_by"];
  if (!by.is_object() || json_string(by, "field").empty())
    return fail(merged.wrong("metadata", "temperature_by: a mapping with the key 'field' was expected"));
  for (const auto& [key, value] : by.items()) {
    if (key == "field") {
      out.temperature_field = value.get<std::string>();
      continue;
    }
    if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 100)
      return fail(merged.wrong("metadata", fmt::format("temperature_by: {}: 0 to 100 was expected", key)));
    if (key == "default") out.default_temperature = value.get<double>();
    else out.temperatures[key] = value.get<double>();
  }
  return out;
}

}  // namespace qeval
