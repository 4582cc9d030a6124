#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "qeval/synth/generators.h"
#include "qeval/synth/python_parts.h"

namespace qeval::synth {
namespace {

constexpr int kHardCases = 7;

std::string sentence(PyRandom& random, size_t n) {
  std::string out;
  for (const std::string& word : pick(random, words(), n)) out += (out.empty() ? "" : " ") + word;
  return out;
}

void text_cases(PythonFunction& f, PyRandom& random, const std::function<std::string(const std::string&)>& value) {
  for (int i = 0; i < kHardCases; ++i) {
    std::string text = i == 2 ? "" : sentence(random, static_cast<size_t>(between(random, 1, 5)));
    f.expect(py(text), value(text));
  }
}

void list_cases(PythonFunction& f, PyRandom& random, size_t longest, int64_t low, int64_t high,
                const std::function<std::string(const Ints&)>& value) {
  for (int i = 0; i < kHardCases; ++i) {
    Ints values =
        i == 2 ? Ints{}
               : random_ints(random, static_cast<size_t>(between(random, 4, static_cast<int>(longest))), low, high);
    f.expect(py(values), value(values));
  }
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(' ', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

PythonFunction mask_letter(PyRandom& random) {
  std::string letter(1, static_cast<char>('a' + random.randbelow(26))),
      mark = random.choice(std::vector<std::string>{"*", "#", "_", "+"});
  PythonFunction f{"mask_letter",
                   "text",
                   fmt::format("Return the text backwards, with every letter {} replaced by {}.", letter, mark),
                   fmt::format("    return text[::-1].replace('{}', '{}')\n", letter, mark),
                   {}};
  text_cases(f, random, [&](std::string text) {
    std::reverse(text.begin(), text.end());
    std::replace(text.begin(), text.end(), letter[0], mark[0]);
    return py(text);
  });
  return f;
}

PythonFunction long_words(PyRandom& random) {
  int64_t k = random.randint(5, 6);
  std::string mark = random.choice(std::vector<std::string>{"-", "/", ":", "+", "|"}), end = random.choice(words());
  PythonFunction f{
      "long_words",
      "text",
      fmt::format(
          "Return the words of the text with more than {} letters, in their order, joined by '{}' and followed by "
          "'{}{}'.\n    Words are separated by single spaces. Without such words the result is '{}' alone.",
          k, mark, mark, end, end),
      fmt::format(
          "    kept = [word for word in text.split(' ') if len(word) > {}]\n    return '{}'.join(kept + ['{}'])\n", k,
          mark, end),
      {}};
  text_cases(f, random, [&](const std::string& text) {
    std::string out;
    for (const std::string& word : split(text))
      if (static_cast<int64_t>(word.size()) > k) out += word + mark;
    return py(out + end);
  });
  return f;
}

PythonFunction shift_letters(PyRandom& random) {
  int k = between(random, 1, 25);
  PythonFunction f{
      "shift_letters",
      "text",
      fmt::format(
          "Return the text with each small letter moved {} places on in the alphabet, going on with a after z.\n"
          "    Other characters stay as they are.",
          k),
      fmt::format("    out = ''\n    for c in text:\n        if 'a' <= c <= 'z':\n            c = chr((ord(c) - "
                  "ord('a') + {}) % 26 + ord('a'))\n"
                  "        out += c\n    return out\n",
                  k),
      {}};
  text_cases(f, random, [k](std::string text) {
    for (char& c : text)
      if (c != ' ') c = static_cast<char>('a' + (c - 'a' + k) % 26);
    return py(text);
  });
  return f;
}

PythonFunction count_letters(PyRandom& random) {
  std::string letters;
  for (size_t i : random.sample(26, 3)) letters += static_cast<char>('a' + i);
  PythonFunction f{"count_letters",
                   "text",
                   fmt::format("Return how many characters of the text are one of {}, {} and {}.", letters[0],
                               letters[1], letters[2]),
                   fmt::format("    return sum(1 for c in text if c in '{}')\n", letters),
                   {}};
  text_cases(f, random, [&](const std::string& text) {
    return py(static_cast<int64_t>(
        std::count_if(text.begin(), text.end(), [&](char c) { return letters.find(c) != std::string::npos; })));
  });
  return f;
}

PythonFunction count_remainders(PyRandom& random) {
  int64_t k = random.randint(2, 7), c = random.randint(0, 20);
  PythonFunction f{"count_remainders",
                   "numbers",
                   fmt::format("Return a dictionary from each remainder of the non-negative numbers modulo {} that "
                               "occurs to how often it occurs.\n"
                               "    Numbers smaller than {} are left out.",
                               k, c),
                   fmt::format("    out = {{}}\n    for n in numbers:\n        if n >= {}:\n            out[n % {}] = "
                               "out.get(n % {}, 0) + 1\n    return out\n",
                               c, k, k),
                   {}};
  list_cases(f, random, 9, 0, 40, [k, c](const Ints& values) {
    std::vector<std::pair<int64_t, int>> counts;  // in the order of first occurrence, as Python prints it
    for (int64_t v : values) {
      if (v < c) continue;
      auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& e) { return e.first == v % k; });
      if (found == counts.end())
        counts.emplace_back(v % k, 1);
      else
        ++found->second;
    }
    std::string out = "{";
    for (const auto& [remainder, n] : counts) out += fmt::format("{}{}: {}", out.size() > 1 ? ", " : "", remainder, n);
    return out + "}";
  });
  return f;
}

PythonFunction longest_run(PyRandom& random) {
  int64_t k = random.randint(-30, 60);
  PythonFunction f{
      "longest_run",
      "numbers",
      fmt::format("Return the length of the longest run of consecutive numbers in the list that are all at least {}.",
                  k),
      fmt::format("    best = run = 0\n    for n in numbers:\n        run = run + 1 if n >= {} else 0\n        best = "
                  "max(best, run)\n    return best\n",
                  k),
      {}};
  list_cases(f, random, 10, k - 5, k + 8, [k](const Ints& values) {
    int64_t best = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      size_t end = i;
      while (end < values.size() && values[end] >= k) ++end;
      best = std::max<int64_t>(best, static_cast<int64_t>(end - i));
    }
    return py(best);
  });
  return f;
}

PythonFunction window_maximum(PyRandom& random) {
  int64_t k = random.randint(2, 4), c = random.randint(1, 40);
  PythonFunction f{"window_maximum",
                   "numbers",
                   fmt::format("Return the largest sum of {} neighboring numbers of the list, plus {}.\n    If the "
                               "list has fewer numbers, return {}.",
                               k, c, -c),
                   fmt::format("    if len(numbers) < {}:\n        return {}\n    return max(sum(numbers[i:i + {}]) "
                               "for i in range(len(numbers) - {})) + {}\n",
                               k, -c, k, k - 1, c),
                   {}};
  list_cases(f, random, 9, -15, 20, [k, c](const Ints& values) {
    if (static_cast<int64_t>(values.size()) < k) return py(-c);
    int64_t best = INT64_MIN;
    for (size_t i = 0; i + static_cast<size_t>(k) <= values.size(); ++i) {
      int64_t sum = 0;
      for (size_t j = i; j < i + static_cast<size_t>(k); ++j) sum += values[j];
      best = std::max(best, sum);
    }
    return py(best + c);
  });
  return f;
}

PythonFunction count_pairs(PyRandom& random) {
  int64_t k = random.randint(-10, 60);
  PythonFunction f{"count_pairs",
                   "numbers",
                   fmt::format("Return how many pairs of positions i < j of the list hold numbers whose sum is {}.", k),
                   fmt::format("    seen = {{}}\n    count = 0\n    for n in numbers:\n        count += seen.get({} - "
                               "n, 0)\n        seen[n] = seen.get(n, 0) + 1\n    return count\n",
                               k),
                   {}};
  list_cases(f, random, 10, k / 2 - 3, k / 2 + 3, [k](const Ints& values) {
    int64_t count = 0;
    for (size_t i = 0; i < values.size(); ++i)
      for (size_t j = i + 1; j < values.size(); ++j) count += values[i] + values[j] == k;
    return py(count);
  });
  return f;
}

PythonFunction count_climbs(PyRandom& random) {
  int64_t k = random.randint(2, 5), forbidden = random.randint(3, 12);
  PythonFunction f{
      "count_climbs",
      "n",
      fmt::format(
          "Return in how many ways one climbs from step 0 to exactly step n, going up 1 to {} steps at a time.\n"
          "    Step {} is broken: no way may stand on it, so the result is 0 where n is {}.",
          k, forbidden, forbidden),
      fmt::format("    ways = [1] + [0] * n\n    for i in range(1, n + 1):\n        if i != {}:\n            ways[i] = "
                  "sum(ways[max(0, i - {}):i])\n    return ways[n]\n",
                  forbidden, k),
      {}};
  for (int64_t n : {random.randint(1, 5), random.randint(6, 10), int64_t{0}, forbidden, random.randint(11, 14),
                    random.randint(15, 20)}) {
    // By what each step hands on, unlike the solution, which gathers.
    Ints reached(static_cast<size_t>(n) + 1, 0);
    reached[0] = 1;
    for (int64_t at = 0; at < n; ++at)
      for (int64_t up = 1; up <= k && at + up <= n; ++up)
        if (at + up != forbidden) reached[static_cast<size_t>(at + up)] += reached[static_cast<size_t>(at)];
    f.expect(py(n), py(reached[static_cast<size_t>(n)]));
  }
  return f;
}

PythonFunction longest_chain(PyRandom& random) {
  int64_t k = random.randint(1, 25);
  PythonFunction f{
      "longest_chain",
      "numbers",
      fmt::format("Return the length of the longest subsequence (not necessarily of neighbors) in which each number is "
                  "larger than\n"
                  "    the one before it by at least {}.",
                  k),
      fmt::format("    best = []\n    for i, n in enumerate(numbers):\n        best.append(1 + max([best[j] for j in "
                  "range(i) if numbers[j] + {} <= n], default=0))\n    return max(best, default=0)\n",
                  k),
      {}};
  list_cases(f, random, 9, 0, 5 * k + 10, [k](const Ints& values) {
    int64_t longest = 0;
    for (uint32_t mask = 0; mask < (1U << values.size()); ++mask) {  // at most 9 values: every subsequence is tried
      int64_t length = 0, last = 0;
      bool rises = true;
      for (size_t i = 0; i < values.size(); ++i) {
        if (!(mask >> i & 1U)) continue;
        rises = rises && (length == 0 || values[i] - last >= k);
        last = values[i];
        ++length;
      }
      if (rises) longest = std::max(longest, length);
    }
    return py(longest);
  });
  return f;
}

PythonFunction merged_length(PyRandom& random) {
  int64_t k = random.randint(0, 25);
  PythonFunction f{
      "merged_length",
      "starts",
      fmt::format("Each number of the list starts an interval that is {} long. Return the total length that the "
                  "intervals cover\n"
                  "    together, counting what several of them cover once.",
                  k + 3),
      fmt::format("    total = 0\n    end = None\n    for start in sorted(starts):\n        if end is None or start > "
                  "end:\n            total += {}\n"
                  "        else:\n            total += start + {} - end\n        end = start + {}\n    return total\n",
                  k + 3, k + 3, k + 3),
      {}};
  list_cases(f, random, 8, 0, 4 * (k + 3), [k](const Ints& values) {
    int64_t covered = 0;
    for (int64_t unit = 0; unit < 5 * (k + 3) + 1; ++unit)
      covered += std::any_of(values.begin(), values.end(), [&](int64_t s) { return unit >= s && unit < s + k + 3; });
    return py(covered);
  });
  return f;
}

PythonFunction fewest_coins(PyRandom& random) {
  int64_t a = random.randint(3, 6), b = a + random.randint(1, 5), c = b + random.randint(1, 9);
  PythonFunction f{
      "fewest_coins",
      "amount",
      fmt::format(
          "Return the smallest number of coins worth {}, {} and {} that make exactly the amount, or -1 where none do.\n"
          "    Each kind may be used any number of times.",
          a, b, c),
      fmt::format("    best = [0] + [None] * amount\n    for i in range(1, amount + 1):\n        options = [best[i - "
                  "coin] for coin in ({}, {}, {}) if coin <= i]\n"
                  "        options = [n for n in options if n is not None]\n        if options:\n            best[i] = "
                  "min(options) + 1\n"
                  "    return -1 if best[amount] is None else best[amount]\n",
                  a, b, c),
      {}};
  for (int64_t amount : {a + b + c, random.randint(20, 40), int64_t{0}, int64_t{1}, random.randint(41, 70),
                         random.randint(2, 19), 3 * b}) {
    int64_t best = -1;
    for (int64_t x = 0; x * c <= amount; ++x)
      for (int64_t y = 0; x * c + y * b <= amount; ++y)
        if (int64_t rest = amount - x * c - y * b; rest % a == 0 && (best < 0 || x + y + rest / a < best))
          best = x + y + rest / a;
    f.expect(py(amount), py(best));
  }
  return f;
}

}  // namespace

PythonFunction strings_function(PyRandom& random) {
  switch (between(random, 0, 3)) {
    case 0:
      return mask_letter(random);
    case 1:
      return long_words(random);
    case 2:
      return shift_letters(random);
    default:
      return count_letters(random);
  }
}

PythonFunction grouping_function(PyRandom& random) {
  switch (between(random, 0, 3)) {
    case 0:
      return count_remainders(random);
    case 1:
      return longest_run(random);
    case 2:
      return window_maximum(random);
    default:
      return count_pairs(random);
  }
}

PythonFunction dynamic_function(PyRandom& random) {
  switch (between(random, 0, 3)) {
    case 0:
      return count_climbs(random);
    case 1:
      return longest_chain(random);
    case 2:
      return merged_length(random);
    default:
      return fewest_coins(random);
  }
}

}  // namespace qeval::synth
