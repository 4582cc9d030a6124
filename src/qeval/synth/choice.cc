#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "qeval/synth/generators.h"

namespace qeval::synth {
namespace {

struct Option {
  std::string text, mistake;  // which error leads to it
};
struct Question {
  std::string kind, text, answer;
  std::vector<Option> wrong;  // candidates in order of preference; the first three that differ are used
};

constexpr std::array<const char*, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                              "Friday", "Saturday", "Sunday"};

Question weekday(PyRandom& random, int level) {
  constexpr std::array<int, 6> kFrom = {0, 2, 7, 15, 40, 120}, kTo = {0, 6, 20, 60, 150, 900};
  int today = between(random, 0, 6),
      days = between(random, kFrom[static_cast<size_t>(level)], kTo[static_cast<size_t>(level)]);
  bool back = level >= 3 && coin(random);
  auto day = [&](int offset) { return std::string(kDays[static_cast<size_t>(((today + offset) % 7 + 7) % 7)]); };
  int moved = back ? -days : days;
  Question q{"weekday", "", day(moved), {}};
  q.text = back ? fmt::format("Today is {}. Which day of the week was it {} days ago?", day(0), days)
                : fmt::format("Today is {}. Which day of the week is it in {} days?", day(0), days);
  q.wrong = {{day(moved - 1), "one day short"},     {day(moved + 1), "one day too many"},
             {day(-moved), "wrong direction"},      {day(0), "today"},
             {day(moved + 2), "two days too many"}, {day(moved - 2), "two days short"}};
  return q;
}

Question order(PyRandom& random, int level) {
  std::vector<std::string> oldest_first = pick(random, people(), static_cast<size_t>(level + 3));
  size_t n = oldest_first.size();
  std::vector<std::string> facts;
  for (size_t i = 0; i + 1 < n; ++i)
    facts.push_back(level >= 3 && coin(random)
                        ? fmt::format("{} is younger than {}.", oldest_first[i + 1], oldest_first[i])
                        : fmt::format("{} is older than {}.", oldest_first[i], oldest_first[i + 1]));
  if (level >= 2) random.shuffle(facts);
  bool young = coin(random), second = level >= 4 && coin(random);
  std::vector<std::string> ranked = oldest_first;
  if (young) std::reverse(ranked.begin(), ranked.end());
  Question q{"order", "", ranked[second ? 1 : 0], {}};
  for (const std::string& fact : facts) q.text += fact + " ";
  q.text += fmt::format("Who is the {}{}?", second ? "second " : "", young ? "youngest" : "oldest");
  q.wrong = {{ranked[second ? n - 2 : n - 1], "wrong end"},
             {ranked[second ? 0 : 1], "next in line"},
             {ranked[2], "two away"},
             {ranked[n - 1], "wrong end"},
             {ranked[n - 2], "wrong end"}};
  return q;
}

Question sequence(PyRandom& random, int level) {
  int64_t value = between(random, 2, 9 * level), add = between(random, 2, 4 + 3 * level);
  int64_t factor = level >= 3 && coin(random) ? between(random, 2, 3) : 1;
  int64_t grow = level >= 4 && factor == 1 ? between(random, 1, level) : 0;  // the step itself grows
  if (factor > 1 && level < 5) add = 0;
  std::vector<int64_t> terms;
  int64_t step = add;
  for (int i = 0; i < 6; ++i) {
    terms.push_back(value);
    value = value * factor + step;
    step += grow;
  }
  int64_t answer = terms[5], last = terms[4], before = terms[3];
  Question q{
      "sequence",
      fmt::format("Which number comes next: {}, {}, {}, {}, {}?", terms[0], terms[1], terms[2], terms[3], terms[4]),
      std::to_string(answer),
      {}};
  q.wrong = {{std::to_string(last + (last - before)), "kept the last step"},
             {std::to_string(value), "one term too far"},
             {std::to_string(answer + 1), "off by one"},
             {std::to_string(answer - 1), "off by one"},
             {std::to_string(answer + 10), "off by ten"}};
  return q;
}

Question precedence(PyRandom& random, int level) {
  int64_t high = 6 + 4 * level;
  int64_t a = random.randint(2, high), b = random.randint(2, high), c = random.randint(2, 9),
          d = random.randint(2, high);
  bool minus = level >= 3 && coin(random), longer = level >= 4;
  int64_t product = b * c, answer = minus ? product - a : a + product;
  int64_t left_to_right = minus ? b * (c - a) : (a + b) * c;
  std::string text = minus ? fmt::format("{} * {} - {}", b, c, a) : fmt::format("{} + {} * {}", a, b, c);
  if (longer) {
    text += fmt::format(" - {}", d);
    answer -= d;
    left_to_right -= d;
  }
  Question q{"precedence", fmt::format("What is {}?", text), std::to_string(answer), {}};
  q.wrong = {{std::to_string(left_to_right), "order of operations"},
             {std::to_string(answer + 10), "off by ten"},
             {std::to_string(answer + 1), "off by one"},
             {std::to_string(answer - 10), "off by ten"},
             {std::to_string(answer - 1), "off by one"}};
  return q;
}

// Words that part later and later: the level says how many letters they share at least.
const std::vector<std::vector<std::string>>& word_groups() {
  static const std::vector<std::vector<std::string>> groups = {
      {"anchor",  "basket", "candle", "dragon", "engine", "falcon", "garden", "hammer", "island", "jacket", "kettle",
       "lantern", "marble", "needle", "orange", "pepper", "ribbon", "saddle", "timber", "velvet", "window", "yellow"},
      {"mango", "metal", "minor", "model", "music", "myth", "major", "medal", "mirror", "motor", "mud", "magic"},
      {"catch", "camel", "cabin", "cargo", "castle", "candle", "cake", "calm", "carpet", "cave", "cactus", "canal"},
      {"stable", "stack", "staff", "stage", "stain", "stair", "stall", "stamp", "star", "start", "state", "stay"},
      {"contact", "contain", "contend", "content", "contest", "context", "contour", "contract", "contrast", "control",
       "continue", "contrary"}};
  return groups;
}

Question alphabet(PyRandom& random, int level) {
  std::vector<std::string> shown = pick(random, word_groups()[static_cast<size_t>(level - 1)], 4);
  std::vector<std::string> sorted = shown;
  std::sort(sorted.begin(), sorted.end());
  bool last = coin(random);
  if (last) std::reverse(sorted.begin(), sorted.end());
  Question q{
      "alphabet", "", sorted[0], {{sorted[1], "next in line"}, {sorted[2], "two away"}, {sorted[3], "wrong end"}}};
  q.text = fmt::format("Which of the words {}, {}, {} and {} comes {} in alphabetical order?", shown[0], shown[1],
                       shown[2], shown[3], last ? "last" : "first");
  return q;
}

Question make_question(PyRandom& random, int level) {
  switch (between(random, 0, 4)) {
    case 0:
      return weekday(random, level);
    case 1:
      return order(random, level);
    case 2:
      return sequence(random, level);
    case 3:
      return precedence(random, level);
    default:
      return alphabet(random, level);
  }
}

// The first three that differ from the answer and from each other; fewer where the candidates fall together.
std::vector<Option> distinct_wrong(const Question& q) {
  std::vector<Option> out;
  for (const Option& o : q.wrong) {
    bool seen =
        o.text == q.answer || std::any_of(out.begin(), out.end(), [&](const Option& e) { return e.text == o.text; });
    if (!seen && out.size() < 3) out.push_back(o);
  }
  return out;
}

}  // namespace

Json make_choice(PyRandom& random, int level, int gold_position) {
  Question q;
  std::vector<Option> options;
  while (options.size() < 3) {
    q = make_question(random, level);
    options = distinct_wrong(q);
  }
  random.shuffle(options);
  options.insert(options.begin() + gold_position, Option{q.answer, ""});
  Json texts = Json::array(), labels = Json::array(), mistakes = Json::array();
  for (size_t i = 0; i < options.size(); ++i) {
    texts.push_back(options[i].text);
    labels.push_back(std::string(1, static_cast<char>('A' + i)));
    mistakes.push_back(options[i].mistake);
  }
  return {{"level", level},
          {"kind", q.kind},
          {"question", q.text},
          {"choices", {{"text", texts}, {"label", labels}}},
          {"answerKey", std::string(1, static_cast<char>('A' + gold_position))},
          {"distractors", mistakes}};
}

}  // namespace qeval::synth
