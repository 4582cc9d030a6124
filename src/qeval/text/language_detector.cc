#include "qeval/text/language_detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "qeval/text/language_text.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

constexpr double kAlpha = 0.5, kAlphaWidth = 0.05, kLeastProbability = 0.1, kConverged = 0.99999, kBaseFrequency = 10000;
constexpr int kTrials = 7, kMaxIterations = 1000;
constexpr double kTwoPi = 6.283185307179586;

// Up to three characters in one number; 0 marks an absent one.
uint64_t packed(const uint32_t* points, size_t n) {
  uint64_t key = 0;
  for (size_t i = 0; i < n; ++i) key = key << 21 | points[i];
  return key;
}

struct Share {
  uint32_t language;
  double probability;
};

// random.gauss(0, 1): draws come in pairs.
class Gauss {
 public:
  double next(PyRandom& random) {
    if (kept_) return *std::exchange(kept_, std::nullopt);
    double angle = random.random() * kTwoPi;
    double radius = std::sqrt(-2.0 * std::log(1.0 - random.random()));
    kept_ = std::sin(angle) * radius;
    return std::cos(angle) * radius;
  }

 private:
  std::optional<double> kept_;
};

}  // namespace

struct LanguageDetector::Tables {
  std::vector<std::string> languages;
  std::unordered_map<uint64_t, std::vector<Share>> shares;  // of n-grams, in order of languages
  std::unordered_map<uint32_t, uint32_t> ideographs;        // character → the first of its group

  Status add_profile(const std::string& file, const std::string& text);
  std::vector<const std::vector<Share>*> features(const std::vector<uint32_t>& text) const;
  void trial(const std::vector<const std::vector<Share>*>& features, double alpha, PyRandom& random,
             std::vector<double>& sum) const;
};

// Plain nlohmann::json: its objects are sorted, and a profile has thousands of keys.
Status LanguageDetector::Tables::add_profile(const std::string& file, const std::string& text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  auto wrong = [&](const char* what) { return bad_input(fmt::format("{}: no language profile: {}", file, what)); };
  if (!json.is_object() || !json.contains("freq") || !json["freq"].is_object()) return wrong("freq is missing");
  if (!json.contains("name") || !json["name"].is_string()) return wrong("name is missing");
  std::array<double, 3> totals{};
  const nlohmann::json& words = json["n_words"];
  if (!words.is_array() || words.size() != totals.size()) return wrong("n_words: three numbers were expected");
  for (size_t i = 0; i < totals.size(); ++i) {
    if (!words[i].is_number() || words[i].get<double>() <= 0) return wrong("n_words: three numbers were expected");
    totals[i] = words[i].get<double>();
  }
  auto language = static_cast<uint32_t>(languages.size());
  languages.push_back(json["name"].get<std::string>());
  for (const auto& [gram, count] : json["freq"].items()) {
    std::vector<uint32_t> points = code_points(gram);
    if (!count.is_number()) return wrong("freq: numbers were expected");
    if (points.empty() || points.size() > totals.size()) continue;
    shares[packed(points.data(), points.size())].push_back(
        {language, count.get<double>() / totals[points.size() - 1]});
  }
  return {};
}

// n-grams of 1 to 3 normalised characters that some profile knows; words begin with a space, and words of capitals
// count only their first letter.
std::vector<const std::vector<Share>*> LanguageDetector::Tables::features(const std::vector<uint32_t>& text) const {
  std::vector<const std::vector<Share>*> out;
  std::vector<uint32_t> grams = {' '};
  bool capital_word = false;
  for (uint32_t raw : text) {
    uint32_t c = language_character(raw, ideographs);
    uint32_t last = grams.back();
    if (last == ' ') {
      grams = {' '};
      capital_word = false;
      if (c == ' ') continue;
    } else if (grams.size() >= 3) {
      grams.erase(grams.begin());
    }
    grams.push_back(c);
    if (!py_is_upper(c)) capital_word = false;
    else if (py_is_upper(last)) capital_word = true;
    if (capital_word) continue;
    for (size_t n = 1; n <= grams.size(); ++n) {
      const uint32_t* first = grams.data() + (grams.size() - n);
      if (n == 1 && *first == ' ') continue;
      auto found = shares.find(packed(first, n));
      if (found != shares.end()) out.push_back(&found->second);
    }
  }
  return out;
}

void LanguageDetector::Tables::trial(const std::vector<const std::vector<Share>*>& features, double alpha,
                                     PyRandom& random, std::vector<double>& sum) const {
  std::vector<double> p(languages.size(), 1.0 / static_cast<double>(languages.size()));
  double weight = alpha / kBaseFrequency;
  for (int i = 0;; ++i) {
    const std::vector<Share>& shares_of = *features[random.randbelow(features.size())];
    size_t next = 0;
    for (uint32_t l = 0; l < p.size(); ++l) {
      bool known = next < shares_of.size() && shares_of[next].language == l;
      p[l] *= known ? weight + shares_of[next++].probability : weight;
    }
    if (i % 5 != 0) continue;
    double total = 0, most = 0;
    for (double v : p) total += v;
    for (double& v : p) most = std::max(most, v /= total);
    if (most > kConverged || i >= kMaxIterations) break;
  }
  for (size_t l = 0; l < p.size(); ++l) sum[l] += p[l] / kTrials;
}

Result<LanguageDetector> LanguageDetector::load(const std::vector<std::pair<std::string, std::string>>& profiles,
                                                std::string_view messages) {
  auto tables = std::make_shared<Tables>();
  for (const auto& [file, text] : profiles) QEVAL_CHECK(tables->add_profile(file, text));
  if (tables->languages.size() < 2) return bad_input("language profiles: two or more were expected");
  tables->ideographs = ideograph_groups(messages);
  LanguageDetector out;
  out.tables_ = std::move(tables);
  return out;
}

std::optional<std::string> LanguageDetector::detect(std::string_view text, uint64_t seed) const {
  auto features = tables_->features(text_for_language(text));
  if (features.empty()) return std::nullopt;
  std::vector<double> p(tables_->languages.size(), 0.0);
  PyRandom random(seed);
  Gauss gauss;
  for (int t = 0; t < kTrials; ++t) tables_->trial(features, kAlpha + gauss.next(random) * kAlphaWidth, random, p);
  auto best = std::max_element(p.begin(), p.end());
  return *best > kLeastProbability ? tables_->languages[static_cast<size_t>(best - p.begin())] : "unknown";
}

}  // namespace qeval
