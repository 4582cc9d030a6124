#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace qeval {

enum class StartPhase { launching, configuring, downloading, loading, compiling, kv_cache, serving };

enum class StartFailure { none, out_of_memory, bad_flag, missing_files, not_authorised, port_in_use, unsupported, device, other };
const char* to_string(StartFailure failure);

// Reads what `vllm serve` writes while it starts: how far it is, what it found out, and why it gave up. The words are those of
// vLLM 0.10 to 0.32; what is not recognised is kept in the tail. Takes any bytes.
class StartLog {
 public:
  void feed(std::string_view bytes);

  StartPhase phase() const { return phase_; }
  std::string progress() const;  // "loading weights: 3 of 8 files"
  // The most telling reason so far; only meaningful once the process has ended.
  StartFailure failure() const { return failure_; }
  const std::string& reason() const { return reason_; }  // vLLM's own line
  std::string tail(size_t n_lines = 15) const;
  bool empty() const { return lines_.empty() && partial_.empty(); }

  std::optional<double> weights_gib, kv_cache_gib, max_concurrency;
  std::optional<int64_t> kv_cache_tokens;

 private:
  void line(std::string_view text);
  void look_for_phase(const std::string& text);
  void look_for_facts(const std::string& text);
  void look_for_failure(const std::string& text);
  void advance(StartPhase phase, std::string detail);

  std::string partial_;
  std::deque<std::string> lines_;
  StartPhase phase_ = StartPhase::launching;
  std::string detail_;
  StartFailure failure_ = StartFailure::none;
  std::string reason_;
};

}  // namespace qeval
