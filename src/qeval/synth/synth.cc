#include "qeval/synth/synth.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <unordered_set>

#include "qeval/synth/generators.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr int64_t kMaxDocs = 100000;
constexpr int kMaxAttempts = 2000;  // at a document that repeats an earlier one

// Each generator and level has its own stream, so that neither depends on what else was made.
uint64_t stream_seed(const std::string& name, int level, uint64_t seed) {
  std::string hex = sha256_hex(fmt::format("qeval_synthetic/{}/{}/{}/{}", kSynthVersion, name, level, seed));
  uint64_t out = 0;
  for (char c : hex.substr(0, 16)) out = out * 16 + static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  return out;
}

// The documents of one generator and level, one after the other.
class Stream {
 public:
  Stream(std::string name, int level, uint64_t seed)
      : name_(std::move(name)), level_(level), random_(stream_seed(name_, level, seed)) {}

  std::optional<Json> next() {
    int position = gold_position();
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      Json doc = make(position);
      if (seen_.insert(question_of(doc)).second) return doc;
    }
    return std::nullopt;
  }

 private:
  Json make(int position) {
    if (name_ == "arithmetic") return synth::make_arithmetic(random_, level_);
    if (name_ == "choice") return synth::make_choice(random_, level_, position);
    if (name_ == "python") return synth::make_python(random_, level_);
    if (name_ == "json_schema") return synth::make_json_document(random_, level_);
    return synth::make_format(random_, level_);
  }
  // The prompt of a function may repeat with other tests: it is the same question all the same.
  static std::string question_of(const Json& doc) {
    for (const char* key : {"question", "prompt", "instruction"})
      if (doc.contains(key)) return doc[key].get<std::string>();
    return "";
  }
  // Every four documents hold each position once, in random order: a model that always says "A" gets exactly a quarter.
  int gold_position() {
    if (name_ != "choice") return 0;
    if (positions_.empty()) {
      positions_ = {0, 1, 2, 3};
      random_.shuffle(positions_);
    }
    int out = positions_.back();
    positions_.pop_back();
    return out;
  }

  std::string name_;
  int level_;
  PyRandom random_;
  std::vector<int> positions_;
  std::unordered_set<std::string> seen_;
};

bool is_known(const std::string& name) {
  for (const SynthGenerator& generator : synth_generators())
    if (generator.name == name) return true;
  return false;
}

std::string known_names() {
  std::string out;
  for (const SynthGenerator& generator : synth_generators()) out += (out.empty() ? "" : ", ") + generator.name;
  return out;
}

}  // namespace

const std::vector<SynthGenerator>& synth_generators() {
  static const std::vector<SynthGenerator> all = {
      {"arithmetic", "stories of several steps with whole numbers"},
      {"choice", "four options, each wrong one a known mistake"},
      {"python", "small functions with tests"},
      {"format", "one line in an exact format"},
      {"json_schema", "a JSON document for a schema and some facts"},
  };
  return all;
}

Result<std::vector<Json>> generate(const std::string& name, int level, int64_t n, uint64_t seed) {
  if (!is_known(name)) return bad_input(fmt::format("generator: {} was expected, not '{}'", known_names(), name));
  if (level < 0 || level > 5)
    return bad_input(fmt::format("level: 1 to 5, or 0 for all in turn, was expected, not {}", level));
  if (n < 1 || n > kMaxDocs) return bad_input(fmt::format("n: 1 to {} was expected, not {}", kMaxDocs, n));
  std::vector<Stream> streams;
  for (int l = level == 0 ? 1 : level; l <= (level == 0 ? 5 : level); ++l) streams.emplace_back(name, l, seed);
  std::vector<Json> out;
  for (int64_t i = 0; i < n; ++i) {
    std::optional<Json> made = streams[static_cast<size_t>(i) % streams.size()].next();
    if (!made)
      return bad_input(
          fmt::format("n: {} has no {} different questions at level {}: it ran out after {}", name, n, level, i));
    const char* id = name == "python" ? "task_id" : "id";
    Json doc = Json::object();
    doc[id] = name == "python" ? Json(fmt::format("Synthetic/{}", i)) : Json(i);
    for (auto& [key, value] : made->items()) doc[key] = std::move(value);
    out.push_back(std::move(doc));
  }
  return out;
}

}  // namespace qeval
