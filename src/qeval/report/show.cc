#include "qeval/report/show.h"

#include <fmt/format.h>

#include "qeval/text/unicode.h"

namespace qeval {
namespace {

std::string shorten(const std::string& text, size_t max_chars) {
  if (max_chars == 0 || text.size() <= max_chars) return printable(text);
  size_t half = max_chars / 2;
  return printable(valid_utf8(text.substr(0, half))) + fmt::format("\n… {} bytes left out …\n", text.size() - 2 * half) +
         printable(valid_utf8(text.substr(text.size() - half)));
}

std::string request_text(const Request& request, const Response& response, size_t max_chars) {
  if (request.kind != RequestKind::generate)
    return fmt::format("  “{}”: {:.3f} nats{}\n", shorten(request.continuation, max_chars), response.logprob_nats,
                       response.is_greedy ? ", greedy" : "");
  return fmt::format("--- answer ({}{}, {} tokens)\n{}\n", to_string(response.finish),
                     response.stop_string.empty() ? "" : " “" + printable(response.stop_string) + "”", response.n_new_tokens,
                     shorten(response.text, max_chars));
}

}  // namespace

std::string sample_text(const SampleRecord& s, size_t max_chars) {
  std::string out = fmt::format("=== {} doc {}\n", s.task, s.doc_id);
  if (!s.requests.empty()) out += fmt::format("--- prompt\n{}\n", shorten(prompt_text(s.requests[0].prompt), max_chars));
  for (size_t i = 0; i < s.requests.size() && i < s.responses.size(); ++i) out += request_text(s.requests[i], s.responses[i], max_chars);
  out += fmt::format("--- gold\n{}\n", shorten(json_string(s.sample, "target"), max_chars));
  for (const Score& score : s.scores) {
    out += fmt::format("--- {}: {}, extracted “{}”", score.filter, to_string(score.failure_class), shorten(score.extracted, 300));
    for (const auto& [name, value] : score.metrics) out += fmt::format(", {} = {:g}", name, value);
    out += "\n";
    if (!score.explanation.empty()) out += fmt::format("    {}\n", shorten(score.explanation, max_chars));
  }
  return out;
}

Json sample_json(const SampleRecord& s) {
  Json requests = Json::array(), scores = Json::array();
  for (size_t i = 0; i < s.requests.size(); ++i) {
    Json item = {{"request", request_identity(s.requests[i])}};
    if (i < s.responses.size()) {
      const Response& r = s.responses[i];
      item["response"] = {{"text", r.text}, {"finish", to_string(r.finish)}, {"failure", to_string(r.failure)},
                          {"logprob_nats", r.logprob_nats}, {"is_greedy", r.is_greedy},
                          {"n_prompt_tokens", r.n_prompt_tokens}, {"n_new_tokens", r.n_new_tokens}};
    }
    requests.push_back(item);
  }
  for (const Score& score : s.scores) {
    Json metrics = Json::object();
    for (const auto& [name, value] : score.metrics) metrics[name] = value;
    scores.push_back({{"filter", score.filter}, {"class", to_string(score.failure_class)}, {"extracted", score.extracted},
                      {"explanation", score.explanation}, {"metrics", metrics}});
  }
  return {{"task", s.task}, {"doc_id", s.doc_id}, {"sample", s.sample}, {"requests", requests}, {"scores", scores}};
}

}  // namespace qeval
