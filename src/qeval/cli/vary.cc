#include "qeval/cli/vary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <set>

#include "qeval/text/near_names.h"

namespace qeval {
namespace {

constexpr size_t kMaxVariants = 64;

using Apply = std::function<Status(RunOptions&, const std::string& key, const std::string& value)>;

Error wrong(const std::string& key, const std::string& value, const std::string& expected) {
  return {ErrorKind::usage, fmt::format("--vary {}={}: {} was expected", key, value, expected)};
}

Status set_preset_key(RunOptions& o, const std::string& key, const std::string& value) {
  o.set.push_back(key + "=" + value);
  return {};
}

Status set_generation_key(RunOptions& o, const std::string& key, const std::string& value) {
  if (!o.gen_kwargs.empty()) o.gen_kwargs += ",";
  o.gen_kwargs += key + "=" + value;
  return {};
}

Status set_switch(bool& target, const std::string& key, const std::string& value) {
  bool on = value == "on" || value == "true";
  if (!on && value != "off" && value != "false") return fail(wrong(key, value, "on or off"));
  target = on;
  return {};
}

template <typename T>
Status set_number(T& target, const std::string& key, const std::string& value) {
  T parsed{};
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc() || end != value.data() + value.size() || value[0] == '-') return fail(wrong(key, value, "a whole number"));
  target = parsed;
  return {};
}

const std::map<std::string, Apply>& known_keys() {
  static const std::map<std::string, Apply> keys = [] {
    std::map<std::string, Apply> out;
    for (const char* key : {"gpu_memory_utilization", "max_num_seqs", "evaluation_batch_size", "max_model_len",
                            "agent_temperature", "prefix_caching"})
      out[key] = set_preset_key;
    for (const char* key : {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty",
                            "frequency_penalty", "max_gen_toks", "do_sample"})
      out[key] = set_generation_key;
    out["model"] = [](RunOptions& o, const std::string&, const std::string& v) { o.model = v; return Status{}; };
    out["preset"] = [](RunOptions& o, const std::string&, const std::string& v) { o.preset = v; return Status{}; };
    out["system_instruction"] = [](RunOptions& o, const std::string&, const std::string& v) { o.system_instruction = v; return Status{}; };
    out["thinking"] = [](RunOptions& o, const std::string& key, const std::string& v) -> Status {
      if (v != "on" && v != "off") return fail(wrong(key, v, "on or off"));
      o.thinking = v;
      return {};
    };
    out["tool_mode"] = [](RunOptions& o, const std::string& key, const std::string& v) -> Status {
      if (v != "native" && v != "prompt" && v != "constrained") return fail(wrong(key, v, "native, prompt or constrained"));
      o.tool_mode = v;
      return {};
    };
    out["apply_chat_template"] = [](RunOptions& o, const std::string& key, const std::string& v) { return set_switch(o.apply_chat_template, key, v); };
    out["fewshot_as_multiturn"] = [](RunOptions& o, const std::string& key, const std::string& v) { return set_switch(o.fewshot_as_multiturn, key, v); };
    out["exact"] = [](RunOptions& o, const std::string& key, const std::string& v) { return set_switch(o.exact, key, v); };
    out["num_fewshot"] = [](RunOptions& o, const std::string& key, const std::string& v) {
      return set_number(o.num_fewshot.emplace(), key, v);
    };
    out["seed"] = [](RunOptions& o, const std::string& key, const std::string& v) { return set_number(o.seed, key, v); };
    return out;
  }();
  return keys;
}

Result<const Apply*> setter_of(const std::string& key) {
  static const Apply preset_key = set_preset_key;
  auto it = known_keys().find(key);
  if (it != known_keys().end()) return &it->second;
  if (key.starts_with("llama.") || key.starts_with("vllm.") || key.starts_with("agent.")) return &preset_key;
  std::vector<std::string> names;
  for (const auto& [name, apply] : known_keys()) names.push_back(name);
  return fail(ErrorKind::usage, fmt::format("--vary {}: unknown key{}; known: {}, agent.KEY, llama.KEY, vllm.KEY", key,
                                            near_names(key, names), fmt::join(names, ", ")));
}

struct Axis {
  std::string key;
  std::vector<std::string> values;
  const Apply* apply = nullptr;
};

Result<Axis> parse_axis(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return fail(ErrorKind::usage, fmt::format("--vary {}: KEY=a,b was expected", text));
  Axis axis{text.substr(0, equals), split_commas(text.substr(equals + 1)), nullptr};
  QEVAL_TRY(axis.apply, setter_of(axis.key));
  if (std::set<std::string>(axis.values.begin(), axis.values.end()).size() != axis.values.size() || axis.values.size() < 2)
    return fail(ErrorKind::usage, fmt::format("--vary {}: at least two different values were expected", text));
  return axis;
}

}  // namespace

Result<std::vector<Variant>> variants_of(const RunOptions& options) {
  std::vector<Variant> out{{"", options}};
  out[0].options.vary.clear();
  std::set<std::string> keys;
  for (const std::string& text : options.vary) {
    QEVAL_TRY(Axis axis, parse_axis(text));
    if (!keys.insert(axis.key).second) return fail(ErrorKind::usage, fmt::format("--vary {}: is given twice", axis.key));
    std::vector<Variant> next;
    for (const Variant& before : out) {
      for (const std::string& value : axis.values) {
        Variant variant = before;
        variant.label += fmt::format("{}{}={}", variant.label.empty() ? "" : ", ", axis.key, value);
        QEVAL_CHECK((*axis.apply)(variant.options, axis.key, value));
        next.push_back(std::move(variant));
      }
    }
    out = std::move(next);
    if (out.size() > kMaxVariants)
      return fail(ErrorKind::usage, fmt::format("--vary: over {} runs would come of it", kMaxVariants));
  }
  return out;
}

}  // namespace qeval
