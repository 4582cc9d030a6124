#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "qeval/synth/generators.h"
#include "qeval/util/ascii.h"

namespace qeval::synth {
namespace {

struct Named {
  const char* text;
  const char* name;
};
constexpr std::array<Named, 6> kSeparators = {{{";", "semicolons"},
                                               {"|", "vertical bars"},
                                               {"/", "slashes"},
                                               {"-", "hyphens"},
                                               {":", "colons"},
                                               {"+", "plus signs"}}};
struct Brackets {
  const char *open, *close, *name;
};
constexpr std::array<Brackets, 4> kBrackets = {{{"[", "]", "square brackets"},
                                                {"(", ")", "round brackets"},
                                                {"<", ">", "angle brackets"},
                                                {"{", "}", "curly brackets"}}};
constexpr std::array<const char*, 12> kMonths = {"January", "February", "March",     "April",   "May",      "June",
                                                 "July",    "August",   "September", "October", "November", "December"};

std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) out += (i ? separator : "") + parts[i];
  return out;
}

Json line(const char* kind, int level, const std::string& instruction, const std::string& target) {
  return {{"level", level}, {"kind", kind}, {"instruction", instruction}, {"target", target}};
}

Json numbers(PyRandom& random, int level) {
  std::vector<int> values;
  for (size_t i : random.sample(static_cast<size_t>(90 * level), static_cast<size_t>(level + 2)))
    values.push_back(static_cast<int>(i) + 2);
  const Named& separator = kSeparators[random.randbelow(kSeparators.size())];
  std::vector<std::string> shown;
  for (int v : values) shown.push_back(std::to_string(v));
  std::string text = fmt::format("Write the numbers {}", joined(shown, ", "));
  if (level >= 2) {
    bool down = coin(random);
    std::sort(values.begin(), values.end());
    if (down) std::reverse(values.begin(), values.end());
    text += down ? " from the largest to the smallest" : " from the smallest to the largest";
  }
  std::vector<std::string> out;
  for (int v : values) out.push_back(level >= 4 ? fmt::format("{:04}", v) : std::to_string(v));
  if (level >= 4) text += ", each with four digits (zeros in front)";
  text += fmt::format(", separated by {} without spaces", separator.name);
  std::string target = joined(out, separator.text);
  if (level >= 3) {
    const Brackets& around = kBrackets[random.randbelow(kBrackets.size())];
    text += fmt::format(", the whole line in {}", around.name);
    target = around.open + target + around.close;
  }
  return line("numbers", level, text + ".", target);
}

Json words_line(PyRandom& random, int level) {
  std::vector<std::string> shown = pick(random, words(), static_cast<size_t>(level + 1));
  const Named& separator = kSeparators[random.randbelow(kSeparators.size())];
  std::string text = fmt::format("Write the words {}", joined(shown, ", "));
  std::vector<std::string> out = shown;
  if (level >= 3) {
    std::sort(out.begin(), out.end());
    text += " in alphabetical order";
  }
  bool capitals = level >= 2;
  if (capitals) text += " in capital letters";
  if (level >= 4) text += ", each with its position and an equals sign in front (1= before the first)";
  for (size_t i = 0; i < out.size(); ++i) {
    if (capitals) out[i] = upper_ascii(out[i]);
    if (level >= 4) out[i] = fmt::format("{}={}", i + 1, out[i]);
  }
  text += fmt::format(", separated by {} without spaces", separator.name);
  std::string target = joined(out, separator.text);
  if (level >= 5) {
    text += ", and end the line with an exclamation mark";
    target += "!";
  }
  return line("words", level, text + ".", target);
}

Json date(PyRandom& random, int level) {
  int year = between(random, 1950, 2049), month = between(random, 1, 12), day = between(random, 1, 28);
  std::string written = fmt::format("{} {} {}", day, kMonths[static_cast<size_t>(month - 1)], year);
  if (level <= 1)
    return line("date", level, fmt::format("Write the date {} in the form YYYY-MM-DD.", written),
                fmt::format("{}-{:02}-{:02}", year, month, day));
  if (level == 2)
    return line("date", level, fmt::format("Write the date {} in the form DD/MM/YYYY.", written),
                fmt::format("{:02}/{:02}/{}", day, month, year));
  if (level == 3)
    return line("date", level, fmt::format("Write the date {} in the form MM.DD.YY.", written),
                fmt::format("{:02}.{:02}.{:02}", month, day, year % 100));
  int hour = between(random, 13, 23), minute = between(random, 0, 59);
  std::string time = fmt::format("{}:{:02} p.m.", hour - 12, minute);
  if (level == 4)
    return line("date", level,
                fmt::format("Write {} on {} in the form YYYYMMDDThhmm with a 24-hour clock.", time, written),
                fmt::format("{}{:02}{:02}T{:02}{:02}", year, month, day, hour, minute));
  return line(
      "date", level,
      fmt::format(
          "Write {} on {} in the form hh:mm_DD-MMM-YYYY with a 24-hour clock and the month as three capital letters.",
          time, written),
      fmt::format("{:02}:{:02}_{:02}-{}-{}", hour, minute, day,
                  upper_ascii(std::string(kMonths[static_cast<size_t>(month - 1)]).substr(0, 3)), year));
}

Json json_object(PyRandom& random, int level) {
  std::vector<std::string> keys = pick(random, words(), static_cast<size_t>(level + 1));
  std::vector<std::string> facts, fields;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i % 3 == 1) {
      int value = between(random, 10, 999);
      facts.push_back(fmt::format("\"{}\" (the number {})", keys[i], value));
      fields.push_back(fmt::format("\"{}\":{}", keys[i], value));
    } else if (i % 3 == 2) {
      std::string first = random.choice(people()), second = random.choice(people());
      facts.push_back(fmt::format("\"{}\" (a list of the texts {} and {})", keys[i], first, second));
      fields.push_back(fmt::format("\"{}\":[\"{}\",\"{}\"]", keys[i], first, second));
    } else {
      std::string value = random.choice(people());
      facts.push_back(fmt::format("\"{}\" (the text {})", keys[i], value));
      fields.push_back(fmt::format("\"{}\":\"{}\"", keys[i], value));
    }
  }
  std::string last = facts.back();
  facts.pop_back();
  return line(
      "json", level,
      fmt::format("Write a JSON object on one line, without any spaces, with these keys in this order: {} and {}.",
                  joined(facts, ", "), last),
      "{" + joined(fields, ",") + "}");
}

}  // namespace

Json make_format(PyRandom& random, int level) {
  switch (between(random, 0, 3)) {
    case 0:
      return numbers(random, level);
    case 1:
      return words_line(random, level);
    case 2:
      return date(random, level);
    default:
      return json_object(random, level);
  }
}

}  // namespace qeval::synth
