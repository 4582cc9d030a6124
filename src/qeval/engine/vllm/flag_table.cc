#include "qeval/engine/vllm/flag_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "qeval/text/edit_distance.h"
#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"
#include "qeval/util/json.h"

namespace qeval {
namespace {

constexpr const char* kFile = "reference/vllm_flags.yaml";

// Minor releases decide; a patch release has what its minor has.
bool after(const VllmVersion& version, const std::string& bound) {
  auto parsed = parse_vllm_version(bound);
  return parsed && std::pair(version.major, version.minor) > std::pair(parsed->major, parsed->minor);
}
bool before(const VllmVersion& version, const std::string& bound) {
  auto parsed = parse_vllm_version(bound);
  return parsed && std::pair(version.major, version.minor) < std::pair(parsed->major, parsed->minor);
}

}  // namespace

std::string VllmVersion::text() const { return fmt::format("{}.{}.{}", major, minor, patch); }

Result<VllmVersion> parse_vllm_version(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (!std::isdigit(static_cast<unsigned char>(text[i])) || (i > 0 && (std::isalnum(static_cast<unsigned char>(text[i - 1])) || text[i - 1] == '.'))) continue;
    int parts[3] = {0, 0, 0}, n = 0;
    size_t at = i;
    while (n < 3 && at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]))) {
      int64_t value = 0;
      for (; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); ++at)
        value = std::min<int64_t>(value * 10 + (text[at] - '0'), 1'000'000);
      parts[n++] = static_cast<int>(value);
      if (at >= text.size() || text[at] != '.') break;
      ++at;
    }
    if (n >= 2) return VllmVersion{parts[0], parts[1], parts[2]};
    i = at;
  }
  return bad_input(fmt::format("“{}” holds no version of vLLM", text.substr(0, 80)));
}

std::set<std::string> parse_help(const std::string& text) {
  std::set<std::string> out;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    size_t start = line.find_first_not_of(' ');
    // Definitions begin a line; flags inside explanations are indented further.
    if (start == std::string::npos || start == 0 || start > 4 || line[start] != '-') continue;
    for (size_t dash = line.find("--", start); dash != std::string::npos; dash = line.find("--", dash + 2)) {
      if (dash > start && line[dash - 1] != ' ') continue;
      size_t stop = dash + 2;
      while (stop < line.size() && (std::isalnum(static_cast<unsigned char>(line[stop])) || line[stop] == '-')) ++stop;
      if (stop > dash + 2 && line[stop - 1] != '-') out.insert(line.substr(dash + 2, stop - dash - 2));
    }
  }
  return out;
}

Result<FlagTable> FlagTable::load(const VllmVersion& version, std::set<std::string> help) {
  FlagTable table;
  table.version_ = version;
  table.help_ = std::move(help);
  auto text = find_asset(kFile);
  if (!text) return fail(ErrorKind::internal, fmt::format("{} was not compiled in", kFile));
  QEVAL_TRY(Json yaml, parse_yaml(std::string(*text), kFile));
  for (const auto& [flag, range] : yaml["flags"].items())
    table.flags_[flag] = {json_string(range, "since"), json_string(range, "until"), json_string(range, "instead")};
  for (const Json& flag : yaml["always"]) table.flags_[flag.get<std::string>()] = {};
  for (const auto& [flag, values] : yaml["defaults"].items())
    for (const auto& [since, value] : values.items())
      if (!before(version, since)) table.defaults_[flag] = json_text(value);
  return table;
}

FlagTable::State FlagTable::state(const std::string& flag) const {
  std::string base = flag.rfind("no-", 0) == 0 ? flag.substr(3) : flag;
  base = base.substr(0, base.find('.'));  // --compilation-config.mode 3: a key of a JSON flag
  if (!help_.empty() && (help_.contains(flag) || help_.contains(base))) return State::known;
  auto it = flags_.find(base);
  if (it == flags_.end()) return State::unknown;
  if (!it->second.until.empty() && after(version_, it->second.until)) return State::removed;
  if (!it->second.since.empty() && before(version_, it->second.since)) return State::too_new;
  // The installed vLLM knows best: its help lists everything.
  return help_.empty() ? State::known : State::unknown;
}

bool FlagTable::has_negation(const std::string& flag) const {
  if (!help_.empty()) return help_.contains("no-" + flag);
  return has(flag) && flag.rfind("disable-", 0) != 0;
}

std::string FlagTable::complaint(const std::string& flag) const {
  State s = state(flag);
  if (s == State::known) return "";
  std::string base = flag.substr(0, flag.find('.'));
  auto it = flags_.find(base.rfind("no-", 0) == 0 ? base.substr(3) : base);
  if (s == State::removed)
    return fmt::format("--{} was removed after vLLM {}{}", flag, it->second.until,
                       it->second.instead.empty() ? "" : "; instead: " + it->second.instead);
  if (s == State::too_new) return fmt::format("--{} came with vLLM {}; this is {}", flag, it->second.since, version_.text());
  std::string nearest;
  size_t best = 4;
  for (const auto& [name, range] : flags_)
    if (size_t distance = edit_distance(name, base); distance < best && state(name) == State::known) best = distance, nearest = name;
  return fmt::format("--{} is not a flag of vLLM {}{}", flag, version_.text(), nearest.empty() ? "" : "; did you mean --" + nearest + "?");
}

}  // namespace qeval
