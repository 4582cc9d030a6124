#include "qeval/load/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace qeval {
namespace {

// Short common words: about one token each in the vocabularies that we meet.
constexpr std::array kWords = {"time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
                               "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system",
                               "program", "question", "work", "night", "point", "home", "water", "room", "mother", "area", "money", "story",
                               "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue", "side", "kind",
                               "head", "house", "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law", "car", "city"};

uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15ull + b + 0x7f4a7c15ull;
  x ^= x >> 31;
  x *= 0xbf58476d1ce4e5b9ull;
  return x ^ (x >> 29);
}

std::string words(std::mt19937_64& random, int64_t n) {
  std::string out;
  for (int64_t i = 0; i < n; ++i) {
    if (i > 0) out += ' ';
    out += kWords[random() % kWords.size()];
  }
  return out;
}

class MadeUp : public Workload {
 public:
  explicit MadeUp(const MadeUpOptions& options) : options_(options) {}

  LoadItem item(int level, int64_t index) override {
    std::mt19937_64 random(mixed(mixed(options_.seed, static_cast<uint64_t>(level)), static_cast<uint64_t>(index)));
    const int64_t n_words = std::max<int64_t>(1, std::llround(options_.prompt.draw(random) * options_.words_per_token));
    const auto n_shared = static_cast<int64_t>(std::floor(options_.shared_prefix * static_cast<double>(n_words)));
    std::string text;
    if (n_shared > 0) {
      std::mt19937_64 common(mixed(options_.seed, static_cast<uint64_t>(level) + 0x5eedull));
      text = words(common, n_shared);
    }
    if (n_shared < n_words) text += (text.empty() ? "" : " ") + words(random, n_words - n_shared);
    LoadItem out;
    if (options_.chat) out.request.prompt = ChatPrompt{{{"user", std::move(text), nullptr}}, nullptr, false, std::nullopt};
    else out.request.prompt = std::move(text);
    out.request.max_new_tokens = options_.output.draw(random);
    return out;
  }

  std::string text() const override {
    return fmt::format("made-up prompts of {} tokens{}, {} out", options_.prompt.text(),
                       options_.shared_prefix > 0 ? fmt::format(" ({:.0f} % shared)", 100 * options_.shared_prefix) : "", options_.output.text());
  }

 private:
  MadeUpOptions options_;
};

class Given : public Workload {
 public:
  Given(std::vector<LoadItem> items, std::string text, std::optional<LengthSpec> output, uint64_t seed)
      : items_(std::move(items)), text_(std::move(text)), output_(output), seed_(seed) {}

  LoadItem item(int level, int64_t index) override {
    const auto n = static_cast<int64_t>(items_.size());
    LoadItem out = items_[static_cast<size_t>(index % n)];
    // The first pass of the first level asks the questions as they are.
    if (level > 0 || index >= n) mark(out.request.prompt, fmt::format("[{}.{}]\n", level, index / n));
    if (output_) {
      std::mt19937_64 random(mixed(mixed(seed_, static_cast<uint64_t>(level)), static_cast<uint64_t>(index)));
      out.request.max_new_tokens = output_->draw(random);
    }
    return out;
  }
  std::string text() const override { return text_; }

 private:
  static void mark(Prompt& prompt, const std::string& text) {
    if (auto* plain = std::get_if<std::string>(&prompt)) *plain = text + *plain;
    else if (auto* chat = std::get_if<ChatPrompt>(&prompt); chat && !chat->messages.empty()) chat->messages.front().content = text + chat->messages.front().content;
  }
  std::vector<LoadItem> items_;
  std::string text_;
  std::optional<LengthSpec> output_;
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<Workload> made_up_workload(const MadeUpOptions& options) { return std::make_unique<MadeUp>(options); }

std::unique_ptr<Workload> given_workload(std::vector<LoadItem> items, std::string text, std::optional<LengthSpec> output, uint64_t seed) {
  return std::make_unique<Given>(std::move(items), std::move(text), output, seed);
}

double measure_words_per_token(const Engine& engine) {
  if (!engine.info().can.tokenizer) return 1;
  constexpr int64_t kTrial = 2000;
  std::mt19937_64 random(7);
  auto tokens = engine.tokenize(words(random, kTrial), false, true);
  if (!tokens || tokens->empty()) return 1;
  return static_cast<double>(kTrial) / static_cast<double>(tokens->size());
}

}  // namespace qeval
