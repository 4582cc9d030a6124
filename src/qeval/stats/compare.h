#pragma once

#include <cstdint>
#include <vector>

namespace qeval {

// Two-sided exact McNemar test: of items on which two systems disagree, `only_a` are right in A alone, `only_b` in B
// alone; p = min(1, 2·P(X <= min(only_a, only_b))), X ~ Binomial(only_a + only_b, 1/2). 1 where there is no
// discordance. Source: McNemar (1947), Psychometrika 12:153, with the binomial in place of chi-square.
double mcnemar_exact(int64_t only_a, int64_t only_b);

struct PermutationResult {
  double p_value = 1;  // two-sided
  bool exact = false;  // every sign pattern was counted, not sampled
};
// Paired sign-flip test of mean(differences) = 0: share of sign patterns whose |sum| reaches the observed one. All 2^m
// patterns for m <= 16 non-zero differences, else `iterations` random ones and (hits + 1) / (iterations + 1).
// Source: Fisher (1935), "The design of experiments", section 21; Phipson and Smyth (2010) for the + 1.
PermutationResult sign_flip_test(const std::vector<double>& differences, int iterations = 10000, uint64_t seed = 1234);

// Adjusted p-values in input order; each may be compared with the family's level. NaN stays NaN and is not counted.
// Source: Holm (1979), Scandinavian Journal of Statistics 6:65.
std::vector<double> holm(const std::vector<double>& p_values);

// Smallest difference of two proportions on the same n items that is found with `power` at two-sided level `alpha`,
// when the two disagree on a share `discordance` of items: (z_{1-alpha/2} + z_power)·sqrt(discordance / n).
// Source: normal approximation of McNemar's test, Lachin (1992), Statistics in Medicine 11:1239, null variance.
double smallest_detectable_gap(int64_t n, double discordance = 0.20, double power = 0.80, double alpha = 0.05);

}  // namespace qeval
