#pragma once

#include <compare>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "qeval/util/result.h"

namespace qeval {

// "0.10.2", "0.32.0+cpu", "0.11.1rc3": what stands behind the numbers is kept apart.
struct VllmVersion {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const VllmVersion&) const = default;
  std::string text() const;
};
// Error (bad_input): no version in it.
Result<VllmVersion> parse_vllm_version(const std::string& text);

// Which flags `vllm serve` has: reference/vllm_flags.yaml, and the flags of the installed vLLM's own help, which go first.
class FlagTable {
 public:
  // `help`: names without dashes, from parse_help(); empty: unknown, the table alone decides.
  static Result<FlagTable> load(const VllmVersion& version, std::set<std::string> help);

  enum class State { known, removed, too_new, unknown };
  State state(const std::string& flag) const;
  bool has(const std::string& flag) const { return state(flag) == State::known; }
  // Whether "--no-FLAG" exists beside a switch.
  bool has_negation(const std::string& flag) const;
  // For people: "--rope-scaling was removed after vLLM 0.11; hf-overrides took its place". "" where it is known.
  std::string complaint(const std::string& flag) const;
  // Defaults of this version for flags that the caller leaves alone, "flag: value".
  const std::map<std::string, std::string>& moved_defaults() const { return defaults_; }

 private:
  struct Range {
    std::string since, until, instead;
  };
  VllmVersion version_;
  std::set<std::string> help_;
  std::map<std::string, Range> flags_;
  std::map<std::string, std::string> defaults_;
};

// Option names in the text of --help=all, without leading dashes. Any text is fine.
std::set<std::string> parse_help(const std::string& text);

}  // namespace qeval
