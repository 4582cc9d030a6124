#include "qeval/engine/vllm/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

namespace qeval {
namespace {

// Flags whose value is qeval's: where it listens, what it is called, and secrets, which would show in the process list.
const std::set<std::string> kOurs = {"host", "served-model-name", "api-key", "uds", "grpc", "headless", "model", "ssl-keyfile", "ssl-certfile"};
const std::set<std::string> kNotFlags = {"env", "ray_address", "ray-address", "start_timeout_s", "stall_timeout_s"};

class FlagList {
 public:
  void set(const std::string& flag, Json value) {
    for (auto& [name, old] : items_)
      if (name == flag) {
        old = std::move(value);
        return;
      }
    items_.emplace_back(flag, std::move(value));
  }
  bool has(const std::string& flag) const {
    return std::any_of(items_.begin(), items_.end(), [&](const auto& item) { return item.first == flag; });
  }
  void erase(const std::string& flag) { std::erase_if(items_, [&](const auto& item) { return item.first == flag; }); }
  std::vector<std::pair<std::string, Json>>& items() { return items_; }

 private:
  std::vector<std::pair<std::string, Json>> items_;
};

class Builder {
 public:
  explicit Builder(const VllmCommandRequest& request) : r_(request) {}

  Result<VllmCommand> build() {
    QEVAL_CHECK(check_version());
    QEVAL_CHECK(set_length());
    set_preset();
    set_model_needs();
    QEVAL_CHECK(set_yarn());
    QEVAL_CHECK(take_users());
    QEVAL_CHECK(set_environment());
    drop_absent();
    emit();
    return std::move(out_);
  }

 private:
  Status check_version() const {
    if (!r_.spec || r_.spec->vllm_min.empty()) return {};
    auto least = parse_vllm_version(r_.spec->vllm_min);
    if (!least || r_.install.version >= *least) return {};
    return fail(ErrorKind::environment, fmt::format("{} needs vLLM {} or newer; {} is {}", r_.spec->id, r_.spec->vllm_min,
                                                    r_.install.executable, r_.install.version_text));
  }

  // config.json of the language model inside.
  const Json& text_config() const {
    static const Json none = Json::object();
    if (!r_.config.is_object()) return none;
    auto it = r_.config.find("text_config");
    return it != r_.config.end() && it->is_object() ? *it : r_.config;
  }

  int native_length() const {
    int64_t own = json_int(text_config(), "max_position_embeddings", r_.spec ? r_.spec->context : 0);
    // Qwen3's configuration adds room for an answer to the 32,768 positions that it was trained on.
    if (own == 40960 && r_.yarn_factor > 1) own = 32768;
    return static_cast<int>(own);
  }

  Status set_length() {
    int native = native_length();
    int64_t limit = native > 0 ? native : r_.preset.max_model_len;
    if (r_.yarn_factor > 1 && native > 0) limit = static_cast<int64_t>(std::floor(native * r_.yarn_factor));
    int64_t wanted = r_.preset.max_model_len;
    if (r_.yarn_factor > 1 && native > 0 && wanted <= native) wanted = limit;  // asked for length: the preset's default is short
    out_.max_model_len = static_cast<int>(std::min(wanted, limit));
    if (wanted > limit) out_.notes.push_back(fmt::format("max_model_len {}: cut to the model's own {}", wanted, limit));
    return {};
  }

  void set_preset() {
    const Preset& p = r_.preset;
    flags_.set("host", "127.0.0.1");
    flags_.set("port", r_.port);
    flags_.set("served-model-name", r_.served_name);
    flags_.set("max-model-len", out_.max_model_len);
    flags_.set("max-num-seqs", p.max_num_seqs);
    flags_.set("gpu-memory-utilization", p.gpu_memory_utilization);
    flags_.set("enable-prefix-caching", p.prefix_caching);  // V1 has it on: leaving it out turns nothing off
    flags_.set("seed", r_.seed);
    // The maker's sampling defaults (repetition penalty 1.05) would act even at temperature 0.
    flags_.set("generation-config", "vllm");
    if (!p.quantization_method.empty() && p.quantization_method != "none") flags_.set("quantization", p.quantization_method);
    if (!r_.revision.empty()) flags_.set("revision", r_.revision);
    flags_.set("disable-uvicorn-access-log", true);
    if (r_.flags->has("disable-log-requests") && r_.install.version < VllmVersion{0, 11, 0}) flags_.set("disable-log-requests", true);
  }

  void set_model_needs() {
    if (!r_.spec) return;
    const ModelSpec& s = *r_.spec;
    if (s.thinking == "switch") flags_.set("reasoning-parser", "qwen3");
    // Older parsers want both tags; these models write only the closing one.
    if (s.thinking == "always") flags_.set("reasoning-parser", r_.install.version < VllmVersion{0, 17, 0} ? "deepseek_r1" : "qwen3");
    if (s.tool_format == "hermes" || s.tool_format == "xml") {
      flags_.set("enable-auto-tool-choice", true);
      flags_.set("tool-call-parser", s.tool_format == "hermes" ? "hermes" : "qwen3_coder");
    }
    bool vision = s.family.rfind("qwen3.5", 0) == 0 && s.id.find("2.4t") == std::string::npos;
    if (vision) flags_.set("language-model-only", true);
    bool hybrid = s.n_kv_layers > 0 && s.n_kv_layers < s.n_layers;
    if (hybrid && r_.preset.prefix_caching)
      out_.notes.push_back(r_.install.version < VllmVersion{0, 15, 0}
                               ? "prefix caching: this vLLM has none for hybrid models"
                               : "prefix caching: a hybrid model reuses whole large blocks only; expect none for short prompts");
  }

  Status set_yarn() {
    if (r_.yarn_factor <= 1) return {};
    int native = native_length();
    if (native <= 0)
      return fail(ErrorKind::usage, "--yarn-factor: the model's own context length is not known; give its folder (with config.json) or a registry id");
    Json rope = {{"rope_type", "yarn"}, {"factor", r_.yarn_factor}, {"original_max_position_embeddings", native}};
    if (r_.flags->has("rope-scaling")) {
      flags_.set("rope-scaling", rope);
    } else {
      // Replaces the whole table, so what the model has in it is kept.
      Json whole = text_config().contains("rope_parameters") && text_config()["rope_parameters"].is_object() ? text_config()["rope_parameters"] : Json::object();
      double theta = json_number(whole, "rope_theta", json_number(text_config(), "rope_theta"));
      if (theta <= 0 && r_.spec && (r_.spec->family == "qwen2.5" || r_.spec->family == "qwen3") && native == 32768) theta = 1e6;
      if (theta <= 0)
        return fail(ErrorKind::usage, "--yarn-factor: vLLM " + r_.install.version.text() + " takes the whole rope table, and the model's is not known; give the model's folder (with config.json)");
      whole.update(rope);
      whole["rope_theta"] = theta;
      Json overrides = {{"rope_parameters", whole}};
      if (r_.config.is_object() && r_.config.contains("text_config")) overrides = {{"text_config", overrides}};
      flags_.set("hf-overrides", overrides);
    }
    out_.notes.push_back(fmt::format("static YaRN ×{:g}: short prompts score a little lower with it", r_.yarn_factor));
    return {};
  }

  Status take_users() {
    if (!r_.preset.vllm.is_object()) return {};
    for (const auto& [key, value] : r_.preset.vllm.items()) {
      if (kNotFlags.contains(key) || key.rfind("env.", 0) == 0) continue;
      std::string flag = key;
      std::replace(flag.begin(), flag.end(), '_', '-');
      if (flag == "hf-overrides" && flags_.has("hf-overrides"))
        return fail(ErrorKind::usage, "vllm.hf_overrides and --yarn-factor both set the model's rope table: give one of them");
      if (kOurs.contains(flag)) return fail(ErrorKind::usage, fmt::format("vllm.{}: qeval sets --{} itself (servers listen on loopback, keys never reach a command line)", key, flag));
      if (std::string complaint = r_.flags->complaint(flag); !complaint.empty())
        return fail(ErrorKind::usage, fmt::format("vllm.{}: {}", key, complaint));
      if (value.is_null()) flags_.erase(flag);
      else flags_.set(flag, value);
      if (flag == "max-model-len" && value.is_number_integer()) out_.max_model_len = value.get<int>();
      if (flag == "port" && value.is_number_integer()) out_.port = value.get<int>();
    }
    if (flags_.has("lora-modules") && !flags_.has("enable-lora")) flags_.set("enable-lora", true);
    return {};
  }

  Status number_setting(const char* key, int& field) {
    if (!r_.preset.vllm.is_object() || !r_.preset.vllm.contains(key)) return {};
    const Json& value = r_.preset.vllm[key];
    if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > 1'000'000)
      return fail(ErrorKind::usage, fmt::format("vllm.{}: {}: a positive number of seconds was expected", key, dump_json(value)));
    field = value.get<int>();
    return {};
  }

  void put_environment(const std::string& name, const std::string& value) {
    std::erase_if(out_.environment, [&](const std::string& e) { return e.rfind(name + "=", 0) == 0; });
    out_.environment.push_back(name + "=" + value);
  }

  Status set_environment() {
    QEVAL_CHECK(number_setting("start_timeout_s", out_.start_timeout_s));
    QEVAL_CHECK(number_setting("stall_timeout_s", out_.stall_timeout_s));
    put_environment("PYTHONUNBUFFERED", "1");
    if (!std::getenv("VLLM_NO_USAGE_STATS")) put_environment("VLLM_NO_USAGE_STATS", "1");
    if (r_.install.cpu_build) {
      put_environment("VLLM_TARGET_DEVICE", "cpu");
      // Utilisation is not what sizes KV on a CPU.
      if (!std::getenv("VLLM_CPU_KVCACHE_SPACE") && r_.cpu_kv_gib > 0)
        put_environment("VLLM_CPU_KVCACHE_SPACE", fmt::format("{:.0f}", std::max(1.0, std::ceil(r_.cpu_kv_gib))));
    }
    const Json& v = r_.preset.vllm;
    for (const char* key : {"ray_address", "ray-address"})
      if (std::string address = json_string(v, key); !address.empty()) {
        put_environment("RAY_ADDRESS", address);
        if (!flags_.has("distributed-executor-backend")) flags_.set("distributed-executor-backend", "ray");
      }
    if (!v.is_object()) return {};
    for (const auto& [key, value] : v.items())
      if (key.rfind("env.", 0) == 0) put_environment(key.substr(4), json_text(value));
    if (v.contains("env")) {
      if (!v["env"].is_object()) return fail(ErrorKind::usage, "vllm.env: NAME: VALUE pairs were expected");
      for (const auto& [name, value] : v["env"].items()) put_environment(name, json_text(value));
    }
    for (const std::string& e : out_.environment)
      for (const char* secret : {"API_KEY=", "TOKEN=", "SECRET="})
        if (e.find(secret) != std::string::npos)
          return fail(ErrorKind::usage, fmt::format("vllm.env: {}: set secrets in your own environment, which vLLM inherits; presets are stored with the run", e.substr(0, e.find('='))));
    return {};
  }

  // Our own flags that this vLLM lacks are left out, and that is said.
  void drop_absent() {
    auto& items = flags_.items();
    for (size_t i = 0; i < items.size();) {
      if (r_.flags->has(items[i].first)) {
        ++i;
        continue;
      }
      out_.notes.push_back("left out: " + r_.flags->complaint(items[i].first));
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void emit() {
    out_.argv = {r_.install.executable, "serve", r_.model};
    out_.settings = Json::object();
    if (out_.port == 0) out_.port = r_.port;
    for (const auto& [flag, value] : flags_.items()) {
      if (flag != "host" && flag != "port" && flag != "served-model-name" && flag != "disable-uvicorn-access-log") out_.settings[flag] = value;
      if (value.is_boolean()) {
        if (value.get<bool>()) out_.argv.push_back("--" + flag);
        else if (r_.flags->has_negation(flag)) out_.argv.push_back("--no-" + flag);
        continue;
      }
      out_.argv.push_back("--" + flag);
      if (value.is_array()) for (const Json& item : value) out_.argv.push_back(json_text(item));
      else out_.argv.push_back(json_text(value));
    }
    for (const auto& [flag, value] : r_.flags->moved_defaults())
      if (!flags_.has(flag)) out_.settings["default " + flag] = value;
  }

  const VllmCommandRequest& r_;
  FlagList flags_;
  VllmCommand out_;
};

std::string quoted(const std::string& text) {
  if (!text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%") == std::string::npos) return text;
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

Result<VllmCommand> build_vllm_command(const VllmCommandRequest& request) { return Builder(request).build(); }

std::string shell_line(const VllmCommand& command) {
  std::string out;
  for (const std::string& e : command.environment) out += quoted(e) + " ";
  for (const std::string& a : command.argv) out += quoted(a) + " ";
  if (!out.empty()) out.pop_back();
  return out;
}

}  // namespace qeval
