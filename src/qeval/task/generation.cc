#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/task/task_config.h"

namespace qeval {
namespace {

constexpr const char* kMaxTokens[] = {"max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"};

Error wrong(const std::string& key, const Json& value, const std::string& expected) {
  return {ErrorKind::bad_input, fmt::format("{}: {} was expected, not {}", key, expected, dump_json(value).substr(0, 80))};
}

// Command-line values may come as text.
std::optional<double> number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string() || value.get<std::string>().empty()) return std::nullopt;
  const std::string text = value.get<std::string>();
  char* end = nullptr;
  double parsed = std::strtod(text.c_str(), &end);
  return *end == '\0' && std::isfinite(parsed) ? std::optional(parsed) : std::nullopt;
}

std::optional<bool> truth(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value == "true" || value == "True" || value == 1) return true;
  if (value == "false" || value == "False" || value == 0) return false;
  return std::nullopt;
}

Result<std::vector<std::string>> stop_strings(const Json& value) {
  if (value.is_null()) return std::vector<std::string>();
  if (value.is_string()) return std::vector<std::string>{value.get<std::string>()};
  if (!value.is_array()) return fail(wrong("until", value, "a text or a list of texts"));
  std::vector<std::string> out;
  for (const Json& item : value) {
    if (!item.is_string()) return fail(wrong("until", value, "a text or a list of texts"));
    if (!item.get<std::string>().empty()) out.push_back(item.get<std::string>());
  }
  return out;
}

// Names that mean the same length replace one another; a temperature given on the command line asks for sampling.
Json merged_kwargs(Json kwargs, const Json& overrides) {
  if (!overrides.is_object()) return kwargs;
  auto is_length = [](const std::string& key) {
    return std::any_of(std::begin(kMaxTokens), std::end(kMaxTokens), [&](const char* name) { return key == name; });
  };
  for (const auto& [key, value] : overrides.items()) {
    if (is_length(key))
      for (const char* name : kMaxTokens) kwargs.erase(name);
    if (key == "temperature" && !overrides.contains("do_sample") && number(value).value_or(0) > 0) kwargs.erase("do_sample");
    kwargs[key] = value;
  }
  return kwargs;
}

struct Slot {
  const char* key;
  double low, high;
  double Sampling::*real;
};
constexpr Slot kSlots[] = {
    {"temperature", 0, 100, &Sampling::temperature},
    {"top_p", 0, 1, &Sampling::top_p},
    {"min_p", 0, 1, &Sampling::min_p},
    {"repetition_penalty", 0.01, 10, &Sampling::repetition_penalty},
    {"presence_penalty", -2, 2, &Sampling::presence_penalty},
    {"frequency_penalty", -2, 2, &Sampling::frequency_penalty},
};

Status take(const std::string& key, const Json& value, Generation& out) {
  for (const Slot& slot : kSlots) {
    if (key != slot.key) continue;
    auto given = number(value);
    if (!given || *given < slot.low || *given > slot.high) return fail(wrong(key, value, fmt::format("{} to {}", slot.low, slot.high)));
    out.sampling.*slot.real = *given;
    return {};
  }
  auto whole = number(value);
  bool is_whole = whole && *whole == std::floor(*whole) && std::fabs(*whole) < 9e15;
  if (key == "top_k") {
    if (!is_whole || *whole < -1 || *whole > 1e6) return fail(wrong(key, value, "a whole number"));
    out.sampling.top_k = std::max(0, static_cast<int>(*whole));
  } else if (key == "seed") {
    if (!is_whole || *whole < 0) return fail(wrong(key, value, "a whole number"));
    out.sampling.seed = static_cast<uint64_t>(*whole);
  } else if (key == "num_beams") {
    if (!is_whole || *whole != 1) return fail(wrong(key, value, "1 (beam search is not supported)"));
  } else {
    return bad_input(fmt::format("unknown key '{}'", key));
  }
  return {};
}

}  // namespace

Result<Generation> parse_generation(const Json& kwargs, const std::string& fewshot_delimiter, const Json& overrides) {
  Json all = merged_kwargs(kwargs, overrides);
  Generation out;
  if (!all.contains("until")) all["until"] = Json::array({fewshot_delimiter});
  QEVAL_TRY(out.until, stop_strings(all["until"]));
  all.erase("until");
  for (const char* name : kMaxTokens) {
    if (!all.contains(name) || all[name].is_null()) continue;
    auto n = number(all[name]);
    if (!n || *n < 1 || *n > 1e7 || *n != std::floor(*n)) return fail(wrong(name, all[name], "a positive whole number"));
    out.max_new_tokens = static_cast<int>(*n);
    break;
  }
  for (const char* name : kMaxTokens) all.erase(name);
  std::optional<bool> sample;
  if (all.contains("do_sample") && !all["do_sample"].is_null()) {
    sample = truth(all["do_sample"]);
    if (!sample) return fail(wrong("do_sample", all["do_sample"], "true or false"));
  }
  all.erase("do_sample");
  bool has_temperature = all.contains("temperature") && !all["temperature"].is_null();
  for (const auto& [key, value] : all.items())
    if (!value.is_null()) QEVAL_CHECK(take(key, value, out));
  // As lm-eval: greedy unless sampling is asked for; sampling without a temperature is at 1.
  if (sample && !*sample) out.sampling.temperature = 0;
  if (sample && *sample && !has_temperature) out.sampling.temperature = 1;
  return out;
}

}  // namespace qeval
