#include "qeval/report/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "qeval/report/format.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

constexpr size_t kMaxExtracted = 2000;  // an extracted program is shown again by --json

std::string shorten(std::string_view text, size_t max_chars) {
  if (max_chars == 0 || text.size() <= max_chars) return printable(text);
  size_t half = max_chars / 2, rest = text.size() - half;
  auto inside = [&](size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  for (int i = 0; i < 3 && half > 0 && inside(half); ++i) --half;  // not within a character
  for (int i = 0; i < 3 && rest < text.size() && inside(rest); ++i) ++rest;
  return printable(text.substr(0, half)) + fmt::format("\n… {} bytes left out …\n", rest - half) +
         printable(text.substr(rest));
}

std::string finish_text(const Response& r) {
  if (r.failure != EngineFailure::none)
    return fmt::format("engine failure: {}{}", to_string(r.failure),
                       r.failure_message.empty() ? "" : ": " + shorten(r.failure_message, 500));
  std::string out = to_string(r.finish);
  if (!r.stop_string.empty()) out += fmt::format(" {}", printable(dump_json(Json(r.stop_string))));
  return out + fmt::format(", {} prompt and {} new tokens", r.n_prompt_tokens, r.n_new_tokens);
}

// Options with their log-likelihoods; the right ones are marked.
std::string options_text(const SampleRecord& s, size_t max_chars) {
  std::string out;
  Json gold = s.sample.is_object() && s.sample.contains("gold") ? s.sample["gold"] : Json::array();
  bool contexts = json_bool(s.sample, "multiple_inputs");
  for (size_t i = 0; i < s.requests.size(); ++i) {
    bool right = std::any_of(gold.begin(), gold.end(),
                             [&](const Json& g) { return g.is_number_integer() && g == static_cast<int64_t>(i); });
    const Request& request = s.requests[i];
    if (contexts) out += fmt::format("    context: {}\n", shorten(prompt_text(request.prompt), max_chars));
    std::string text = request.kind == RequestKind::loglikelihood_rolling
                           ? "(whole text)"
                           : shorten(dump_json(Json(request.continuation)), max_chars);
    out += fmt::format("  {} {}", right ? "*" : " ", text);
    if (i < s.responses.size() && s.responses[i].finish == FinishReason::scored)
      out += fmt::format("  {:.3f} nats{}", s.responses[i].logprob_nats, s.responses[i].is_greedy ? ", greedy" : "");
    else if (i < s.responses.size())
      out += "  " + finish_text(s.responses[i]);
    out += "\n";
  }
  return out;
}

std::string answers_text(const SampleRecord& s, size_t max_chars) {
  if (s.requests.empty()) return "--- no request stored\n";
  if (s.requests[0].kind != RequestKind::generate)
    return "--- log-likelihoods (* = gold)\n" + options_text(s, max_chars);
  std::string out;
  for (size_t i = 0; i < s.requests.size() && i < s.responses.size(); ++i) {
    // What a further turn added to the conversation, less the answer shown just above.
    if (const auto* chat = std::get_if<ChatPrompt>(&s.requests[i].prompt); chat && i > 0 && !chat->messages.empty())
      if (s.requests[i].prompt != s.requests[i - 1].prompt)
        out += fmt::format("--- {}\n{}\n", printable(chat->messages.back().role),
                           shorten(chat->messages.back().content, max_chars));
    std::string number = s.requests.size() > 1 ? fmt::format(" {}", i + 1) : "";
    out += fmt::format("--- answer{} ({})\n{}\n", number, finish_text(s.responses[i]),
                       shorten(s.responses[i].text, max_chars));
  }
  return out;
}

std::string verdict_text(const Score& score) {
  std::string out = fmt::format("--- {}: {} ({})", printable(score.filter), to_string(score.failure_class),
                                class_text(score.failure_class));
  for (const auto& [name, value] : score.metrics) out += fmt::format(", {} = {:g}", printable(name), value);
  bool lines = score.extracted.find('\n') != std::string::npos;
  out += lines ? "\nextracted:\n" : "\nextracted: ";
  out += (score.extracted.empty() ? "(nothing)" : shorten(score.extracted, kMaxExtracted)) + "\n";
  if (!score.explanation.empty()) out += fmt::format("why: {}\n", shorten(score.explanation, kMaxExtracted));
  return out;
}

std::string gold_text(const SampleRecord& s, size_t max_chars) {
  std::string target = json_string(s.sample, "target");
  if (s.sample.is_object() && s.sample.contains("choices") && !s.sample["choices"].empty() &&
      s.sample.contains("gold")) {
    std::string out;
    for (const Json& g : s.sample["gold"]) {
      if (!g.is_number_integer() || g < 0 || g >= s.sample["choices"].size()) continue;
      const Json& choice = s.sample["choices"][g.get<size_t>()];
      out += fmt::format("{}{}: {}", out.empty() ? "" : "\n", g.get<int64_t>(),
                         choice.is_string() ? shorten(choice.get<std::string>(), max_chars) : "");
    }
    if (!out.empty()) return out;
  }
  return shorten(target, max_chars);
}

Json response_json(const Response& r) {
  return {{"text", r.text},
          {"finish", to_string(r.finish)},
          {"stop_string", r.stop_string},
          {"failure", to_string(r.failure)},
          {"failure_message", r.failure_message},
          {"logprob_nats", r.logprob_nats},
          {"is_greedy", r.is_greedy},
          {"n_prompt_tokens", r.n_prompt_tokens},
          {"n_cached_tokens", r.n_cached_tokens},
          {"n_new_tokens", r.n_new_tokens}};
}

}  // namespace

std::string sample_text(const SampleRecord& s, size_t max_chars) {
  std::string out = fmt::format("=== {} doc {}\n", printable(s.task), s.doc_id);
  if (!s.requests.empty())
    out += fmt::format("--- prompt\n{}\n", shorten(prompt_text(s.requests[0].prompt), max_chars));
  out += answers_text(s, max_chars);
  out += fmt::format("--- gold\n{}\n", gold_text(s, max_chars));
  for (const Score& score : s.scores) out += verdict_text(score);
  if (s.scores.empty()) out += "--- not scored\n";
  if (!s.backend.empty()) out += fmt::format("sandbox: {}\n", printable(s.backend));
  return out;
}

Json sample_json(const SampleRecord& s) {
  Json requests = Json::array(), scores = Json::array();
  for (size_t i = 0; i < s.requests.size(); ++i) {
    Json item = {{"request", request_identity(s.requests[i])}};
    if (i < s.responses.size()) item["response"] = response_json(s.responses[i]);
    requests.push_back(std::move(item));
  }
  for (const Score& score : s.scores) {
    Json metrics = Json::object();
    for (const auto& [name, value] : score.metrics) metrics[name] = value;
    scores.push_back({{"filter", score.filter},
                      {"class", to_string(score.failure_class)},
                      {"extracted", score.extracted},
                      {"explanation", score.explanation},
                      {"metrics", metrics},
                      {"details", score.details}});
  }
  return {{"task", s.task},       {"doc_id", s.doc_id}, {"sample", s.sample},
          {"requests", requests}, {"scores", scores},   {"scorer_version", s.scorer_version},
          {"sandbox", s.backend}};
}

}  // namespace qeval
