#include "qeval/engine/vllm/start_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace qeval {
namespace {

constexpr size_t kMaxLine = 4000, kMaxLines = 60;

struct FailureWords {
  StartFailure failure;
  const char* words;
};

// In the order of how surely they name the cause; a line of a lower rank never replaces one of a higher.
constexpr std::array kFailures = {
    FailureWords{StartFailure::port_in_use, "Address already in use"},
    FailureWords{StartFailure::bad_flag, "error: unrecognized arguments"},
    FailureWords{StartFailure::bad_flag, "error: argument"},
    FailureWords{StartFailure::bad_flag, "invalid tool call parser"},
    FailureWords{StartFailure::bad_flag, "invalid reasoning parser"},
    FailureWords{StartFailure::bad_flag, "Reasoning parser"},
    FailureWords{StartFailure::out_of_memory, "CUDA out of memory"},
    FailureWords{StartFailure::out_of_memory, "OutOfMemoryError"},
    FailureWords{StartFailure::out_of_memory, "is less than desired GPU memory utilization"},
    FailureWords{StartFailure::out_of_memory, "is less than desired"},
    FailureWords{StartFailure::out_of_memory, "No available memory for the cache blocks"},
    FailureWords{StartFailure::out_of_memory, "larger than the available KV cache memory"},
    FailureWords{StartFailure::out_of_memory, "is less than requested memory for kv"},
    FailureWords{StartFailure::out_of_memory, "can't allocate memory"},
    FailureWords{StartFailure::out_of_memory, "Cannot allocate memory"},
    FailureWords{StartFailure::out_of_memory, "MemoryError"},
    FailureWords{StartFailure::not_authorised, "gated repo"},
    FailureWords{StartFailure::not_authorised, "GatedRepoError"},
    FailureWords{StartFailure::not_authorised, "401 Client Error"},
    FailureWords{StartFailure::missing_files, "Repo id must be in the form"},
    FailureWords{StartFailure::missing_files, "is not a local folder and is not a valid model identifier"},
    FailureWords{StartFailure::missing_files, "does not appear to have a file named"},
    FailureWords{StartFailure::missing_files, "Cannot find any model weights"},
    FailureWords{StartFailure::missing_files, "LocalEntryNotFoundError"},
    FailureWords{StartFailure::missing_files, "couldn't connect to 'https://huggingface.co'"},
    FailureWords{StartFailure::missing_files, "Can't load the configuration of"},
    FailureWords{StartFailure::missing_files, "Error retrieving file list"},
    FailureWords{StartFailure::missing_files, "RepositoryNotFoundError"},
    FailureWords{StartFailure::unsupported, "is greater than the derived max_model_len"},
    FailureWords{StartFailure::unsupported, "are not supported for now"},
    FailureWords{StartFailure::unsupported, "does not recognize this architecture"},
    FailureWords{StartFailure::unsupported, "must be divisible by tensor parallel size"},
    FailureWords{StartFailure::unsupported, "Unknown quantization method"},
    FailureWords{StartFailure::unsupported, "is not supported for quantization method"},
    FailureWords{StartFailure::device, "Failed to infer device type"},
    FailureWords{StartFailure::device, "no kernel image is available"},
    FailureWords{StartFailure::device, "Found no NVIDIA driver"},
    FailureWords{StartFailure::device, "CUDA driver version is insufficient"},
    FailureWords{StartFailure::device, "No CUDA GPUs are available"},
    FailureWords{StartFailure::missing_files, "FileNotFoundError"},
    FailureWords{StartFailure::other, "ValidationError"},
    FailureWords{StartFailure::other, "ValueError:"},
    FailureWords{StartFailure::other, "RuntimeError:"},
};

int rank(StartFailure failure) { return failure == StartFailure::none ? 100 : failure == StartFailure::other ? 50 : 10; }

// Number after `words`, digits with commas or a decimal point.
std::optional<double> number_after(const std::string& text, const std::string& words) {
  size_t at = text.find(words);
  if (at == std::string::npos) return std::nullopt;
  std::string digits;
  for (size_t i = at + words.size(); i < text.size() && digits.size() < 24; ++i) {
    char c = text[i];
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '.') digits += c;
    else if (c != ',' && !(digits.empty() && c == ' ')) break;
  }
  if (digits.empty()) return std::nullopt;
  double value = std::strtod(digits.c_str(), nullptr);
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool has(const std::string& text, const char* words) { return text.find(words) != std::string::npos; }

// "(EngineCore pid=1) ERROR 11-27 14:59:33 [core.py:402] message" → "message".
std::string message_of(const std::string& text) {
  size_t bracket = text.find("] ");
  bool is_log = text.rfind('(', 0) == 0 || has(text.substr(0, 60), "ERROR") || has(text.substr(0, 60), "INFO") || has(text.substr(0, 60), "WARNING");
  if (is_log && bracket != std::string::npos && bracket < 140) return text.substr(bracket + 2);
  if (text.rfind('(', 0) == 0) {
    size_t close = text.find(") ");
    if (close != std::string::npos && close < 60) return text.substr(close + 2);
  }
  return text;
}

}  // namespace

const char* to_string(StartFailure failure) {
  switch (failure) {
    case StartFailure::none: return "none";
    case StartFailure::out_of_memory: return "out of memory";
    case StartFailure::bad_flag: return "a flag that it does not take";
    case StartFailure::missing_files: return "the model's files are missing";
    case StartFailure::not_authorised: return "not allowed to download the model";
    case StartFailure::port_in_use: return "the port is in use";
    case StartFailure::unsupported: return "a setting that this model or this vLLM does not support";
    case StartFailure::device: return "no usable device";
    case StartFailure::other: return "an error of its own";
  }
  return "unknown";
}

void StartLog::feed(std::string_view bytes) {
  for (char c : bytes) {
    if (c == '\n' || c == '\r') {
      if (!partial_.empty()) line(partial_);
      partial_.clear();
    } else if (partial_.size() < kMaxLine) {
      partial_ += c;
    }
  }
}

void StartLog::line(std::string_view view) {
  std::string text(view);
  // Progress bars are redrawn; the tail keeps what says something.
  bool bar = has(text, "it/s]") || has(text, "s/it]") || has(text, "B/s]") || has(text, "?it/s");
  bool banner = has(text, "█") || has(text, "▀") || has(text, "Attempted to load weight");
  if (!bar && !banner) {
    lines_.push_back(text);
    if (lines_.size() > kMaxLines) lines_.pop_front();
  }
  look_for_phase(text);
  look_for_facts(text);
  if (!has(text, " WARNING ") && !has(text, " INFO ")) look_for_failure(text);
}

void StartLog::advance(StartPhase phase, std::string detail) {
  if (phase < phase_) return;
  phase_ = phase;
  detail_ = std::move(detail);
}

void StartLog::look_for_phase(const std::string& text) {
  if (has(text, "Application startup complete")) return advance(StartPhase::serving, "");
  if (has(text, "KV cache size")) return advance(StartPhase::kv_cache, "");
  if (has(text, "Capturing CUDA graph") || has(text, "torch.compile") || has(text, "Dynamo bytecode") || has(text, "Warming up model") ||
      has(text, "Compiling a graph"))
    return advance(StartPhase::compiling, "");
  if (has(text, "checkpoint shards") || has(text, "Loading pt checkpoint")) {
    auto percent = number_after(text, "shards:");
    size_t bar = text.find("| ");
    std::string files = bar == std::string::npos ? "" : text.substr(bar + 2, text.find(' ', bar + 2) - bar - 2);
    return advance(StartPhase::loading, percent ? fmt::format("{:.0f} % of the files{}", *percent, files.empty() || files.size() > 12 ? "" : " (" + files + ")") : "");
  }
  if (has(text, "Starting to load model")) return advance(StartPhase::loading, "");
  if (has(text, "Fetching ") || (has(text, ".safetensors:") && has(text, "%|"))) {
    auto percent = number_after(text, ":");
    return advance(StartPhase::downloading, percent && *percent <= 100 ? fmt::format("{:.0f} %", *percent) : "");
  }
  if (has(text, "non-default args") || has(text, "Initializing a V1 LLM engine")) return advance(StartPhase::configuring, "");
}

void StartLog::look_for_facts(const std::string& text) {
  if (auto v = number_after(text, "Model loading took ")) weights_gib = v;
  if (auto v = number_after(text, "Available KV cache memory: ")) kv_cache_gib = v;
  if (auto v = number_after(text, "KV cache size: "); v && *v < 1e15) kv_cache_tokens = static_cast<int64_t>(*v);
  size_t at = text.find("Maximum concurrency for ");
  if (at != std::string::npos)
    if (auto v = number_after(text.substr(at), "per request: ")) max_concurrency = v;
}

void StartLog::look_for_failure(const std::string& text) {
  for (const FailureWords& f : kFailures) {
    if (!has(text, f.words)) continue;
    if (rank(f.failure) > rank(failure_)) return;
    // Of equal rank the first is the cause, the rest are its consequences.
    if (failure_ != StartFailure::none && rank(f.failure) == rank(failure_)) return;
    failure_ = f.failure;
    reason_ = message_of(text).substr(0, 600);
    return;
  }
}

std::string StartLog::progress() const {
  static constexpr const char* kNames[] = {"starting", "reading the configuration", "downloading the weights", "loading the weights",
                                           "compiling and warming up", "laying out the KV cache", "serving"};
  std::string out = kNames[static_cast<size_t>(phase_)];
  return detail_.empty() ? out : out + ": " + detail_;
}

std::string StartLog::tail(size_t n_lines) const {
  std::string out;
  size_t first = lines_.size() > n_lines ? lines_.size() - n_lines : 0;
  for (size_t i = first; i < lines_.size(); ++i) out += "  " + lines_[i].substr(0, 400) + "\n";
  if (!partial_.empty()) out += "  " + partial_.substr(0, 400) + "\n";
  return out;
}

}  // namespace qeval
