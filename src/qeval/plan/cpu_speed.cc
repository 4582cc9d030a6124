#include "qeval/plan/cpu_speed.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "qeval/util/clock.h"
#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace qeval {
namespace {

constexpr size_t kArrayBytes = size_t{256} << 20;  // beyond the caches of one socket

// Vector arithmetic without intrinsics: the compiler picks the width that the target has.
using Vector = float __attribute__((vector_size(32)));

double read_pass(const uint64_t* data, size_t n) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i + 8 <= n; i += 8)
    for (size_t k = 0; k < 8; ++k) sums[k] += data[i + k];
  uint64_t sum = 0;
  for (uint64_t s : sums) sum += s;
  return static_cast<double>(sum & 1);
}

// Multiply-adds of eight independent chains; returns how many floating point operations.
__attribute__((target_clones("arch=haswell", "default"))) double multiply_add(float seed, volatile float* sink) {
  constexpr int kRounds = 20000, kChains = 10;
  Vector v[kChains];
  for (int c = 0; c < kChains; ++c) v[c] = Vector{} + (seed + static_cast<float>(c));
  const Vector a = Vector{} + 0.999999f, b = Vector{} + 1e-6f;
  for (int r = 0; r < kRounds; ++r)
    for (int c = 0; c < kChains; ++c) v[c] = v[c] * a + b;
  for (int c = 1; c < kChains; ++c) v[0] += v[c];
  *sink = v[0][0];
  return 2.0 * kRounds * kChains * (sizeof(Vector) / sizeof(float));
}

#ifdef __x86_64__
// The same with products of pairs in bf16, as libllama multiplies matrices where the CPU can.
__attribute__((target("avx512f,avx512bf16"))) double multiply_add_bf16(float seed, volatile float* sink) {
  constexpr int kRounds = 20000, kChains = 12;
  __m512 v[kChains];
  for (int c = 0; c < kChains; ++c) v[c] = _mm512_set1_ps(seed + static_cast<float>(c));
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1e-3f), _mm512_set1_ps(1e-3f));
  for (int r = 0; r < kRounds; ++r)
    for (int c = 0; c < kChains; ++c) v[c] = _mm512_dpbf16_ps(v[c], a, a);
  for (int c = 1; c < kChains; ++c) v[0] = _mm512_add_ps(v[0], v[c]);
  *sink = v[0][0];
  return 2.0 * kRounds * kChains * 32;
}
bool has_bf16() { return __builtin_cpu_supports("avx512bf16"); }
#else
double multiply_add_bf16(float, volatile float*) { return 0; }
bool has_bf16() { return false; }
#endif

// Work of all threads in `seconds`, a second.
template <typename F>
double rate(int n_threads, double seconds, F&& work) {
  std::vector<double> done(static_cast<size_t>(n_threads));
  std::vector<std::thread> threads;
  auto start = SteadyClock::now();
  for (int t = 0; t < n_threads; ++t)
    threads.emplace_back([&, t] {
      while (seconds_since(start) < seconds) done[static_cast<size_t>(t)] += work(t);
    });
  for (std::thread& t : threads) t.join();
  double wall = seconds_since(start), sum = 0;
  for (double d : done) sum += d;
  return sum / wall;
}

}  // namespace

CpuSpeed measure_cpu(double seconds, int n_threads) {
  CpuSpeed out;
  out.n_threads = n_threads > 0 ? n_threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const size_t words = kArrayBytes / sizeof(uint64_t) / static_cast<size_t>(out.n_threads);
  std::vector<std::unique_ptr<uint64_t[]>> arrays;
  for (int t = 0; t < out.n_threads; ++t) {
    arrays.push_back(std::make_unique<uint64_t[]>(words));
    std::fill_n(arrays.back().get(), words, uint64_t{3});  // touched: no page is missing later
  }
  std::atomic<uint64_t> keep{0};
  out.bandwidth = rate(out.n_threads, seconds / 2, [&](int t) {
    keep += static_cast<uint64_t>(read_pass(arrays[static_cast<size_t>(t)].get(), words));
    return static_cast<double>(words * sizeof(uint64_t));
  });
  volatile float sink = 0;
  const auto multiply = has_bf16() ? multiply_add_bf16 : multiply_add;
  out.flops = rate(out.n_threads, seconds / 2, [&](int t) { return multiply(static_cast<float>(t), &sink); });
  return out;
}

Hardware measured_cpu(double memory_bytes, const std::string& cpu_name, double seconds, int n_threads) {
  CpuSpeed speed = measure_cpu(seconds, n_threads);
  return {"cpu", cpu_name, memory_bytes, speed.bandwidth, speed.flops, true, "measured on this machine"};
}

}  // namespace qeval
