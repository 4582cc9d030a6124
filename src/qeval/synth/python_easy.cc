#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "qeval/synth/generators.h"
#include "qeval/synth/python_parts.h"

namespace qeval::synth {
namespace {

constexpr int kEasyCases = 6;

// Cases over one list: two that show what is meant, the empty list, and some more.
void list_cases(PythonFunction& f, PyRandom& random, int64_t low, int64_t high,
                const std::function<std::string(const Ints&)>& value) {
  for (int i = 0; i < kEasyCases; ++i) {
    Ints values = i == 2 ? Ints{} : random_ints(random, static_cast<size_t>(between(random, 3, 8)), low, high);
    f.expect(py(values), value(values));
  }
}

PythonFunction add_scaled(PyRandom& random) {
  int64_t k = random.randint(2, 20), c = random.randint(1, 50);
  PythonFunction f{"add_scaled",
                   "a, b",
                   fmt::format("Return {} times a plus b, minus {}.", k, c),
                   fmt::format("    return {} * a + b - {}\n", k, c),
                   {}};
  for (int i = 0; i < kEasyCases; ++i) {
    int64_t a = random.randint(-30, 30), b = random.randint(-30, 30);
    f.expect(fmt::format("{}, {}", a, b), py(k * a + b - c));
  }
  return f;
}

PythonFunction is_multiple(PyRandom& random) {
  int64_t k = random.randint(3, 60);
  PythonFunction f{"is_multiple",
                   "n",
                   fmt::format("Return True if the non-negative integer n is a multiple of {}, else False.", k),
                   fmt::format("    return n % {} == 0\n", k),
                   {}};
  for (int i = 0; i < kEasyCases; ++i) {
    int64_t n = i % 2 == 0 ? k * random.randint(0, 20) : k * random.randint(0, 20) + random.randint(1, k - 1);
    f.expect(py(n), py(n % k == 0));
  }
  return f;
}

PythonFunction clamp(PyRandom& random) {
  int64_t low = random.randint(-40, 10), high = low + random.randint(5, 60);
  PythonFunction f{
      "clamp",
      "x",
      fmt::format("Return x, but {} where x is smaller than that and {} where x is larger than that.", low, high),
      fmt::format("    return max({}, min({}, x))\n", low, high),
      {}};
  for (int64_t x : {low - random.randint(1, 20), random.randint(low, high), high + random.randint(1, 20), low, high,
                    (low + high) / 2})
    f.expect(py(x), py(std::clamp(x, low, high)));
  return f;
}

PythonFunction digit_total(PyRandom& random) {
  int64_t k = random.randint(2, 30);
  PythonFunction f{"digit_total",
                   "n",
                   fmt::format("Return {} times the sum of the decimal digits of the non-negative integer n.", k),
                   fmt::format("    return {} * sum(int(digit) for digit in str(n))\n", k),
                   {}};
  for (int i = 0; i < kEasyCases; ++i) {
    int64_t n = i == 2 ? 0 : random.randint(10, 99999), sum = 0;
    for (int64_t rest = n; rest > 0; rest /= 10) sum += rest % 10;
    f.expect(py(n), py(k * sum));
  }
  return f;
}

PythonFunction sum_above(PyRandom& random) {
  int64_t k = random.randint(-10, 40);
  PythonFunction f{"sum_above",
                   "numbers",
                   fmt::format("Return the sum of the numbers in the list that are greater than {}.", k),
                   fmt::format("    return sum(n for n in numbers if n > {})\n", k),
                   {}};
  list_cases(f, random, k - 20, k + 20, [k](const Ints& values) {
    int64_t sum = 0;
    for (int64_t v : values) sum += v > k ? v : 0;
    return py(sum);
  });
  return f;
}

PythonFunction keep_multiples(PyRandom& random) {
  int64_t k = random.randint(2, 9), c = random.randint(1, 30);
  PythonFunction f{
      "keep_multiples",
      "numbers",
      fmt::format("Return a list of those numbers that are multiples of {}, in their order, each increased by {}.", k,
                  c),
      fmt::format("    return [n + {} for n in numbers if n % {} == 0]\n", c, k),
      {}};
  list_cases(f, random, 0, 6 * k, [k, c](const Ints& values) {
    Ints out;
    for (int64_t v : values)
      if (v % k == 0) out.push_back(v + c);
    return py(out);
  });
  return f;
}

PythonFunction every_nth(PyRandom& random) {
  int64_t k = random.randint(2, 4), c = random.randint(2, 12);
  PythonFunction f{
      "every_nth",
      "numbers",
      fmt::format("Return a list with every {}{} number, beginning with the first one, each multiplied by {}.", k,
                  k == 2   ? "nd"
                  : k == 3 ? "rd"
                           : "th",
                  c),
      fmt::format("    return [{} * n for n in numbers[::{}]]\n", c, k),
      {}};
  list_cases(f, random, -20, 20, [k, c](const Ints& values) {
    Ints out;
    for (size_t i = 0; i < values.size(); i += static_cast<size_t>(k)) out.push_back(c * values[i]);
    return py(out);
  });
  return f;
}

PythonFunction count_near(PyRandom& random) {
  int64_t k = random.randint(-20, 40), d = random.randint(1, 8);
  PythonFunction f{"count_near",
                   "numbers",
                   fmt::format("Return how many numbers differ from {} by at most {}.", k, d),
                   fmt::format("    return sum(1 for n in numbers if abs(n - {}) <= {})\n",
                               k < 0 ? fmt::format("({})", k) : py(k), d),
                   {}};
  list_cases(f, random, k - 2 * d, k + 2 * d, [k, d](const Ints& values) {
    return py(static_cast<int64_t>(
        std::count_if(values.begin(), values.end(), [&](int64_t v) { return v >= k - d && v <= k + d; })));
  });
  return f;
}

}  // namespace

PythonFunction numbers_function(PyRandom& random) {
  switch (between(random, 0, 3)) {
    case 0:
      return add_scaled(random);
    case 1:
      return is_multiple(random);
    case 2:
      return clamp(random);
    default:
      return digit_total(random);
  }
}

PythonFunction lists_function(PyRandom& random) {
  switch (between(random, 0, 3)) {
    case 0:
      return sum_above(random);
    case 1:
      return keep_multiples(random);
    case 2:
      return every_nth(random);
    default:
      return count_near(random);
  }
}

}  // namespace qeval::synth
