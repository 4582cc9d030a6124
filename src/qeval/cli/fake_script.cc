#include "qeval/cli/fake_script.h"

#include <fmt/format.h>

#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

struct Script {
  std::string fallback;
  std::vector<std::pair<std::string, std::string>> answers;  // prompt part, text
};

// Between −1 and −101, the same for the same question on every machine.
double planted_logprob(const Request& request) {
  std::string digest = sha256_hex(prompt_text(request.prompt) + "\n" + request.continuation);
  return -1 - static_cast<double>(std::stoul(digest.substr(0, 6), nullptr, 16)) / 0xffffff * 100;
}

Response answer(const Script& script, const Request& request) {
  Response r;
  std::string prompt = prompt_text(request.prompt);
  r.n_prompt_tokens = static_cast<int>(prompt.size() / 4) + 1;
  if (request.kind != RequestKind::generate) {
    r.finish = FinishReason::scored;
    r.logprob_nats = planted_logprob(request);
    r.n_new_tokens = static_cast<int>(request.continuation.size() / 4) + 1;
    return r;
  }
  r.finish = FinishReason::end_of_turn;
  r.text = script.fallback;
  for (const auto& [part, text] : script.answers) {
    if (prompt.find(part) == std::string::npos) continue;
    r.text = text;
    break;
  }
  r.n_new_tokens = static_cast<int>(r.text.size() / 4) + 1;
  return r;
}

std::optional<EngineFailure> failure_named(const std::string& name) {
  for (int i = 1; i <= 8; ++i)
    if (name == to_string(static_cast<EngineFailure>(i))) return static_cast<EngineFailure>(i);
  return std::nullopt;
}

}  // namespace

Result<FakeOptions> load_fake_script(const std::string& path) {
  FakeOptions options;
  auto script = std::make_shared<Script>();
  Json json = Json::object();
  if (!path.empty()) {
    QEVAL_TRY(std::string text, read_file(path));
    auto parsed = parse_json(text);
    if (!parsed) return fail(parsed.error().in(path));
    json = *parsed;
  }
  script->fallback = json_string(json, "default");
  options.latency = std::chrono::microseconds(static_cast<int64_t>(1000 * json_number(json, "latency_ms")));
  if (json.contains("answers"))
    for (const Json& a : json["answers"]) script->answers.emplace_back(json_string(a, "contains"), json_string(a, "text"));
  if (json.contains("faults")) {
    for (const auto& [index, name] : json["faults"].items()) {
      auto failure = failure_named(name.is_string() ? name.get<std::string>() : "");
      if (!failure || index.find_first_not_of("0123456789") != std::string::npos)
        return bad_input(fmt::format("{}: faults: \"{}\": {} is not an index with a known failure", path, index, dump_json(name)));
      options.faults[std::stoll(index)] = *failure;
    }
  }
  options.weights_name = "fake:" + sha256_hex(dump_json(json)).substr(0, 12);
  options.weights_verified = !json_bool(json, "declared_weights");
  options.answer = [script](const Request& request) { return answer(*script, request); };
  return options;
}

}  // namespace qeval
