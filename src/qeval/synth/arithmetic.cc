#include <fmt/format.h>

#include <array>

#include "qeval/synth/generators.h"

namespace qeval::synth {
namespace {

struct Setting {
  const char* items;   // what is counted
  const char* source;  // what they come packed in
  const char* other;   // what is beside the point
};
constexpr std::array<Setting, 10> kSettings = {{{"apples", "baskets", "pears"},
                                                {"marbles", "bags", "dice"},
                                                {"stamps", "envelopes", "postcards"},
                                                {"pencils", "boxes", "rulers"},
                                                {"shells", "buckets", "pebbles"},
                                                {"coins", "purses", "tokens"},
                                                {"stickers", "packets", "posters"},
                                                {"beads", "jars", "buttons"},
                                                {"books", "crates", "magazines"},
                                                {"tulips", "trays", "roses"}}};
constexpr std::array<int, 6> kSteps = {0, 1, 2, 3, 4, 6};           // by level
constexpr std::array<int, 6> kLargest = {0, 10, 20, 50, 100, 200};  // numbers that the story adds or takes

struct Story {
  std::string name;
  Setting setting;
  int largest = 10;
  int64_t value = 0;
  std::string text;
  std::string solution;

  void add(const std::string& sentence) { text += " " + sentence; }
  void work(int64_t left, char sign, int64_t right, int64_t result) {
    solution += fmt::format(" {} {} {} = {}.", left, sign, right, result);
  }
};

void gain(Story& s, PyRandom& random) {
  int more = between(random, 2, s.largest);
  s.add(coin(random) ? fmt::format("{} finds {} more {}.", s.name, more, s.setting.items)
                     : fmt::format("A neighbor brings {} {} {} more.", s.name, more, s.setting.items));
  s.work(s.value, '+', more, s.value + more);
  s.value += more;
}

void give(Story& s, PyRandom& random) {
  if (s.value < 5) return gain(s, random);
  int less = between(random, 2, static_cast<int>(std::min<int64_t>(s.largest, s.value - 2)));
  s.add(coin(random) ? fmt::format("{} gives {} {} away.", s.name, less, s.setting.items)
                     : fmt::format("{} loses {} {}.", s.name, less, s.setting.items));
  s.work(s.value, '-', less, s.value - less);
  s.value -= less;
}

void packs(Story& s, PyRandom& random) {
  int packs = between(random, 2, 9), each = between(random, 2, 12);
  s.add(fmt::format("{} buys {} {} with {} {} in each.", s.name, packs, s.setting.source, each, s.setting.items));
  s.work(packs, '*', each, packs * each);
  s.work(s.value, '+', packs * each, s.value + packs * each);
  s.value += packs * each;
}

void multiply(Story& s, PyRandom& random) {
  if (s.value > 2000) return give(s, random);
  int times = between(random, 2, 4);
  s.add(fmt::format("A year later {} has {} times as many {}.", s.name, times, s.setting.items));
  s.work(s.value, '*', times, s.value * times);
  s.value *= times;
}

void share(Story& s, PyRandom& random) {
  std::vector<int> divisors;
  for (int d = 2; d <= 9; ++d)
    if (s.value % d == 0 && s.value / d >= 2) divisors.push_back(d);
  if (divisors.empty()) return gain(s, random);
  int parts = random.choice(divisors);
  s.add(fmt::format("{} puts all the {} into {} equal piles, keeps one pile and sells the others.", s.name,
                    s.setting.items, parts));
  s.work(s.value, '/', parts, s.value / parts);
  s.value /= parts;
}

void step(Story& s, PyRandom& random, int level) {
  switch (between(random, 0, level == 1 ? 1 : level == 2 ? 2 : 4)) {
    case 0:
      return gain(s, random);
    case 1:
      return give(s, random);
    case 2:
      return packs(s, random);
    case 3:
      return multiply(s, random);
    default:
      return share(s, random);
  }
}

}  // namespace

Json make_arithmetic(PyRandom& random, int level) {
  Story s;
  std::vector<std::string> names = pick(random, people(), 2);
  s.name = names[0];
  s.setting = kSettings[random.randbelow(kSettings.size())];
  s.largest = kLargest[static_cast<size_t>(level)];
  s.value = between(random, 5, s.largest + 5);
  s.text = fmt::format("{} has {} {}.", s.name, s.value, s.setting.items);
  s.solution = fmt::format("{} starts with {}.", s.name, s.value);
  int n_steps = kSteps[static_cast<size_t>(level)];
  int distraction = level >= 4 ? between(random, 1, n_steps - 1) : -1;
  for (int i = 0; i < n_steps; ++i) {
    step(s, random, level);
    if (i == distraction)
      s.add(fmt::format("{} also has {} {}.", s.name, between(random, 2, s.largest), s.setting.other));
  }
  std::string question = fmt::format("How many {} does {} have now?", s.setting.items, s.name);
  if (level >= 3 && coin(random)) {
    int more = between(random, 2, s.largest);
    s.add(fmt::format("{} has {} more {} than {} has now.", names[1], more, s.setting.items, s.name));
    s.work(s.value, '+', more, s.value + more);
    s.work(s.value, '+', s.value + more, 2 * s.value + more);
    s.value = 2 * s.value + more;
    question = fmt::format("How many {} do {} and {} have together?", s.setting.items, s.name, names[1]);
  }
  return {{"level", level},
          {"question", s.text + " " + question},
          {"answer", fmt::format("{}\n#### {}", s.solution, s.value)}};
}

}  // namespace qeval::synth
