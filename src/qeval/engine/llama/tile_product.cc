#include "qeval/engine/llama/tile_product.h"

#include "qeval/engine/llama/quantised_rows.h"
#include "qeval/engine/llama/swiglu.h"

#if defined(__x86_64__) && defined(__linux__)

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

namespace qeval {
namespace {

#define QEVAL_TILES __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512bf16")))
#define QEVAL_INLINE inline __attribute__((always_inline))

constexpr int64_t kSide = 16;  // rows of a tile, and columns of a tile of sums
constexpr int64_t kStep = 32;  // values of a row that a tile holds
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kBlock = 2 * kSide;  // rows of A and of B whose sums are kept in tiles at once
constexpr int kMostParts = 3;
constexpr int64_t kLeastRowsToCopy = 320;  // fewer do not pay for weights laid out anew
constexpr int64_t kLeastPastCaches = int64_t{4} << 20;  // sums of a result

// How many of `unit` hold `n`.
int64_t count_of(int64_t unit, int64_t n) { return (n + unit - 1) / unit; }

// Tiles across two lines of the cache load at half the speed.
struct alignas(64) Line {
  char bytes[64];
};
using Lines = std::vector<Line>;

void at_least(Lines& lines, int64_t bytes) {
  const auto n = static_cast<size_t>(count_of(64, bytes));
  if (lines.size() < n) lines.resize(n);
}

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

QEVAL_TILES QEVAL_INLINE void configure_tiles() {
  TileConfiguration configuration;
  for (int i = 0; i < 8; ++i) {
    configuration.row_bytes[i] = 64;
    configuration.rows[i] = kSide;
  }
  __asm__ volatile("" : "+m"(configuration));  // g++ before 12.4 stores eight bytes of it (GCC bug 114098)
  _tile_loadconfig(&configuration);
}

QEVAL_TILES QEVAL_INLINE void transpose(__m512i (&r)[kSide]) {
  __m512i t[kSide];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512i even = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88), odd = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    const __m512i even2 = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88), odd2 = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
    t[i] = _mm512_shuffle_i32x4(even, even2, 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
    t[8 + i] = _mm512_shuffle_i32x4(even, even2, 0xdd);
    t[12 + i] = _mm512_shuffle_i32x4(odd, odd2, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSide; ++i) r[i] = t[i];
}

QEVAL_TILES QEVAL_INLINE __m512 as_floats(__m256i bf16) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16)); }

// `n` floats, kStep at most, as BF16 in `Parts` parts, zeros behind them.
template <int Parts>
QEVAL_TILES QEVAL_INLINE void split(const float* x, int64_t n, __m512i (&out)[Parts]) {
  const auto first = [](int64_t k) { return static_cast<__mmask16>((1u << std::clamp<int64_t>(k, 0, 16)) - 1); };
  __m512 low = _mm512_maskz_loadu_ps(first(n), x), high = _mm512_maskz_loadu_ps(first(n - 16), x + 16);
#pragma GCC unroll 3
  for (int part = 0; part < Parts; ++part) {
    out[part] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    if (part + 1 == Parts) break;
    low = _mm512_sub_ps(low, as_floats(_mm512_castsi512_si256(out[part])));
    high = _mm512_sub_ps(high, as_floats(_mm512_extracti64x4_epi64(out[part], 1)));
  }
}

// A as it was packed: [part][m / 16][k / 32][pair of values][row].
struct Rows {
  int64_t m = 0, k = 0;
  TilePrecision precision = TilePrecision::bf16;
  Lines packed;
  int64_t n_tiles() const { return count_of(kSide, m); }
  int64_t n_steps() const { return count_of(kStep, k); }
  int64_t n_pairs() const { return count_of(kBlock, m); }
  int64_t n_parts() const { return precision == TilePrecision::bf16 ? 1 : kMostParts; }
  int64_t part_bytes() const { return n_tiles() * n_steps() * kTileBytes; }
  char* tile(int64_t tile, int64_t step) { return packed.data()->bytes + (tile * n_steps() + step) * kTileBytes; }
  void set(int64_t n_rows, int64_t n_values, TilePrecision to) {
    m = n_rows;
    k = n_values;
    precision = to;
    at_least(packed, part_bytes() * n_parts());
  }
};

template <int Parts>
QEVAL_TILES void pack_rows(const float* from, int64_t stride, int64_t tile, Rows& rows) {
  for (int64_t step = 0; step < rows.n_steps(); ++step) {
    __m512i r[Parts][kSide];
#pragma GCC unroll 16
    for (int64_t i = 0; i < kSide; ++i) {
      __m512i parts[Parts];
      const int64_t row = tile * kSide + i;
      split<Parts>(from + std::min(row, rows.m - 1) * stride + step * kStep, row < rows.m ? rows.k - step * kStep : 0, parts);
#pragma GCC unroll 3
      for (int part = 0; part < Parts; ++part) r[part][i] = parts[part];
    }
#pragma GCC unroll 3
    for (int part = 0; part < Parts; ++part) {
      transpose(r[part]);
      char* to = rows.tile(tile, step) + part * rows.part_bytes();
#pragma GCC unroll 16
      for (int64_t i = 0; i < kSide; ++i) _mm512_store_si512(to + i * 64, r[part][i]);
    }
  }
}

// Where tiles of A or B begin, and the bytes from one to the next.
struct Tiles {
  const char* first = nullptr;
  int64_t row = 64, step = kTileBytes, side = 0, part = 0;  // side: 16 rows further
};

// Tiles 0 to 3 hold sums, of two tiles of B (4, 5) by two of A (6, 7); where N or M is 1, of one.
template <int N, int M>
QEVAL_TILES QEVAL_INLINE void add_products() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (M > 1) _tile_dpbf16ps(1, 4, 7);
  if constexpr (N > 1) _tile_dpbf16ps(2, 5, 6);
  if constexpr (N > 1 && M > 1) _tile_dpbf16ps(3, 5, 7);
}

template <int N>
QEVAL_TILES QEVAL_INLINE void load_weights(const Tiles& b, const char* at) {
  _tile_loadd(4, at, b.row);
  if constexpr (N > 1) _tile_loadd(5, at + b.side, b.row);
}

template <int M>
QEVAL_TILES QEVAL_INLINE void load_rows(const Tiles& a, const char* at) {
  _tile_loadd(6, at, a.row);
  if constexpr (M > 1) _tile_loadd(7, at + a.side, a.row);
}

template <int N, int M, int Parts>
QEVAL_TILES QEVAL_INLINE void add_steps(const Tiles& a, const Tiles& b, int64_t from, int64_t to) {
  const char *a_at = a.first + from * a.step, *b_at = b.first + from * b.step;
  for (int64_t step = from; step < to; ++step, a_at += a.step, b_at += b.step) {
    load_weights<N>(b, b_at);
    if constexpr (Parts == kMostParts) {
      load_rows<M>(a, a_at + 2 * a.part);
      add_products<N, M>();
      load_rows<M>(a, a_at + a.part);
      add_products<N, M>();
    }
    load_rows<M>(a, a_at);
    add_products<N, M>();
    if constexpr (Parts == kMostParts) {
      load_weights<N>(b, b_at + b.part);
      add_products<N, M>();
      load_rows<M>(a, a_at + a.part);
      add_products<N, M>();
      load_weights<N>(b, b_at + 2 * b.part);
      load_rows<M>(a, a_at);
      add_products<N, M>();
    }
  }
}

// Where sums go: to C, whose rows lie `stride` floats apart, or to the A of another product.
struct Sheet {
  Sheet(float* to, int64_t step, int64_t m, int64_t n)
      : c(to), stride(step), past_caches(m * n >= kLeastPastCaches && reinterpret_cast<uintptr_t>(c) % 64 == 0 && stride % kSide == 0) {}
  explicit Sheet(Rows& next) : rows(&next) {}
  float* c = nullptr;
  int64_t stride = 0;
  bool past_caches = false;  // it is written to memory, as reading the lines first would cost more than the caches save
  Rows* rows = nullptr;
};

// Sums that have left their tiles: [column of C][row of C] each.
struct Sums {
  alignas(64) float tiles[4][kSide * kSide];
  int64_t row = 0, column = 0;  // where they belong
  int64_t m = 0, n = 0;         // 0: nowhere
  bool gated = false;           // tiles 0 and 1 are of gates, 2 and 3 of what these let pass
};

QEVAL_TILES QEVAL_INLINE void write_floats(const float* tile, float* c, int64_t m, int64_t n, const Sheet& sheet) {
  __m512i r[kSide];
#pragma GCC unroll 16
  for (int i = 0; i < kSide; ++i) r[i] = _mm512_load_si512(tile + i * kSide);
  transpose(r);
  if (sheet.past_caches && n == kSide) {
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i)
      if (i < m) _mm512_stream_si512(reinterpret_cast<__m512i*>(c + i * sheet.stride), r[i]);
    return;
  }
  const auto mask = static_cast<__mmask16>((1u << n) - 1);
#pragma GCC unroll 16
  for (int i = 0; i < kSide; ++i)
    if (i < m) _mm512_mask_storeu_epi32(c + i * sheet.stride, mask, r[i]);
}

// Two columns of sums are the pairs of values of 16 rows.
template <int Parts>
QEVAL_TILES QEVAL_INLINE void write_pairs(const float* tile, char* to, int64_t part_bytes) {
  for (int64_t i = 0; i < kSide; i += 2, to += 64) {
    __m512 low = _mm512_load_ps(tile + i * kSide), high = _mm512_load_ps(tile + (i + 1) * kSide);
#pragma GCC unroll 3
    for (int part = 0; part < Parts; ++part) {
      const __m256i first = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(low)), second = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(high));
      const __m512i pairs = _mm512_or_si512(_mm512_cvtepu16_epi32(first), _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
      _mm512_store_si512(to + part * part_bytes, pairs);
      low = _mm512_sub_ps(low, as_floats(first));
      high = _mm512_sub_ps(high, as_floats(second));
    }
  }
}

template <int Parts>
QEVAL_TILES QEVAL_INLINE void write(Sums& sums, int tile, const Sheet& sheet) {
  const int64_t row = tile % 2 * kSide, column = tile / 2 * kSide;
  const int64_t m = std::min(sums.m - row, kSide), n = std::min(sums.n - column, kSide);
  if (m <= 0 || n <= 0) return;
  if (sums.gated) swiglu(sums.tiles[tile], sums.tiles[tile + 2], kSide * kSide, sums.tiles[tile]);
  if (sheet.rows)
    write_pairs<Parts>(sums.tiles[tile], sheet.rows->tile((sums.row + row) / kSide, sums.column / kStep) + sums.column % kStep / 2 * 64,
                       sheet.rows->part_bytes());
  else
    write_floats(sums.tiles[tile], sheet.c + (sums.row + row) * sheet.stride + sums.column + column, m, n, sheet);
}

// One block of sums. Those of the block before are written meanwhile: a load of what a tile has just stored has to wait.
template <int N, int M, int Parts>
QEVAL_TILES QEVAL_INLINE void multiply_block(const Tiles& a, const Tiles& b, int64_t n_steps, Sums& before, const Sheet& sheet, Sums& now) {
  _tile_zero(0);
  if constexpr (M > 1) _tile_zero(1);
  if constexpr (N > 1) _tile_zero(2);
  if constexpr (N > 1 && M > 1) _tile_zero(3);
  for (int quarter = 0; quarter < 4; ++quarter) {
    add_steps<N, M, Parts>(a, b, n_steps * quarter / 4, n_steps * (quarter + 1) / 4);
    write<Parts>(before, quarter, sheet);
  }
  _tile_stored(0, now.tiles[0], 64);
  if constexpr (M > 1) _tile_stored(1, now.tiles[1], 64);
  if constexpr (N > 1) _tile_stored(2, now.tiles[2], 64);
  if constexpr (N > 1 && M > 1) _tile_stored(3, now.tiles[3], 64);
}

struct Thread {
  Lines weights;  // of a block
  Sums sums[2];
};

// A row of B, every `stride` bytes kStep values of it.
template <int Parts>
QEVAL_TILES void copy_row(const TileWeights& weights, const char* row, const Tiles& tiles, char* to) {
  for (int64_t k = 0; k < weights.k; k += kStep, to += tiles.step) {
    const int64_t n_left = std::min(weights.k - k, kStep);
    __m512i parts[Parts];
    if (weights.type == GGML_TYPE_BF16)
      parts[0] = _mm512_maskz_loadu_epi16(static_cast<__mmask32>((uint64_t{1} << n_left) - 1), row + 2 * k);
    else
      split<Parts>(reinterpret_cast<const float*>(row) + k, n_left, parts);
#pragma GCC unroll 3
    for (int part = 0; part < Parts; ++part) _mm512_store_si512(to + part * tiles.part, parts[part]);
  }
}

// B, or two of them whose products are the sums of gates and what these let pass: then a block is 16 rows of each.
struct Factor {
  const TileWeights& weights;
  const TileWeights* gated = nullptr;
  ToBf16 to_bf16 = ggml_is_quantized(weights.type) ? quantised_row_reader(weights.type) : nullptr;
  int64_t width() const { return gated ? kSide : kBlock; }  // rows of one in a block
};

const char* row_of(const TileWeights& weights, int64_t i) { return static_cast<const char*>(weights.rows) + static_cast<size_t>(i) * weights.stride; }

// `n` rows from `first` on: [part][k / 32][row]. Behind the last row stands what was there: its sums are not written.
template <int Parts>
QEVAL_TILES void copy_rows(const TileWeights& weights, ToBf16 to_bf16, int64_t first, int64_t n, const Tiles& tiles, char* to) {
  for (int64_t i = 0; i < n; ++i, to += 64)
    if (to_bf16) to_bf16(weights.type, row_of(weights, first + i), weights.k, to, static_cast<size_t>(tiles.step));
    else copy_row<Parts>(weights, row_of(weights, first + i), tiles, to);
}

template <int Parts>
QEVAL_TILES Tiles find_weights(const Factor& factor, int64_t first, int64_t n, bool copied, Thread& thread) {
  const TileWeights& weights = factor.weights;
  if (!copied && n % kSide == 0) {
    const char* row = row_of(weights, first);
    const auto stride = static_cast<int64_t>(weights.stride);
    return {row, stride, 64, factor.gated ? row_of(*factor.gated, first) - row : kSide * stride, 0};
  }
  char* to = thread.weights.data()->bytes;
  const Tiles tiles{to, 64, 2 * kTileBytes, kTileBytes, count_of(kStep, weights.k) * 2 * kTileBytes};
  copy_rows<Parts>(weights, factor.to_bf16, first, n, tiles, to);
  if (factor.gated) copy_rows<Parts>(*factor.gated, factor.to_bf16, first, n, tiles, to + tiles.side);
  return tiles;
}

template <int Parts>
QEVAL_TILES void multiply_rows(Rows& rows, const Factor& factor, const Sheet& sheet, int64_t first_pair, int64_t n_pairs, int64_t block, bool copied,
                               Thread& thread, int& turn) {
  const int64_t n_steps = rows.n_steps(), width = factor.width(), n = std::min(factor.weights.n - block * width, width);
  const bool two = factor.gated || n > kSide;
  const Tiles b = find_weights<Parts>(factor, block * width, n, copied, thread);
  for (int64_t pair = first_pair; pair < first_pair + n_pairs; ++pair) {
    const Tiles a{rows.tile(2 * pair, 0), 64, kTileBytes, n_steps * kTileBytes, rows.part_bytes()};
    Sums& before = thread.sums[turn];
    Sums& now = thread.sums[turn ^= 1];
    now.row = pair * kBlock;
    now.column = block * width;
    now.m = std::min(rows.m - pair * kBlock, kBlock);
    now.n = n;
    now.gated = factor.gated;
    if (two && now.m > kSide) multiply_block<2, 2, Parts>(a, b, n_steps, before, sheet, now);
    else if (two) multiply_block<2, 1, Parts>(a, b, n_steps, before, sheet, now);
    else if (now.m > kSide) multiply_block<1, 2, Parts>(a, b, n_steps, before, sheet, now);
    else multiply_block<1, 1, Parts>(a, b, n_steps, before, sheet, now);
  }
}

template <int Parts>
QEVAL_TILES void multiply_all(Rows& rows, const Factor& factor, const Sheet& sheet, std::vector<Thread>& team, int n_threads) {
  const TileWeights& weights = factor.weights;
  const bool copied = weights.type != GGML_TYPE_BF16 || weights.k % kStep != 0 || rows.m >= kLeastRowsToCopy;
  for (int i = 0; i < n_threads; ++i) at_least(team[static_cast<size_t>(i)].weights, rows.n_steps() * 2 * kTileBytes * Parts);
  // Weights are laid out once for each share of the rows; there are more shares where weights alone would leave threads idle.
  const int64_t n_blocks = count_of(factor.width(), weights.n);
  const int64_t n_shares = std::clamp<int64_t>(count_of(n_blocks, 2 * n_threads), 1, rows.n_pairs());
  std::atomic<int> n_begun = 0;
#pragma omp parallel num_threads(n_threads)
  {
    Thread& thread = team[static_cast<size_t>(n_begun++)];
    thread.sums[0].m = thread.sums[1].m = 0;
    int turn = 0;
    configure_tiles();
#pragma omp for schedule(dynamic, 1) nowait
    for (int64_t i = 0; i < n_blocks * n_shares; ++i) {
      const int64_t share = i % n_shares, first = rows.n_pairs() * share / n_shares, end = rows.n_pairs() * (share + 1) / n_shares;
      multiply_rows<Parts>(rows, factor, sheet, first, end - first, i / n_shares, copied, thread, turn);
    }
    for (int tile = 0; tile < 4; ++tile) write<Parts>(thread.sums[turn], tile, sheet);
    _mm_sfence();  // before another thread reads what went past the caches
    _tile_release();
  }
}

template <int Parts>
QEVAL_TILES void pack_all(Rows& rows, const float* from, int64_t stride, int n_threads) {
#pragma omp parallel for schedule(static) num_threads(n_threads)
  for (int64_t tile = 0; tile < rows.n_tiles(); ++tile) pack_rows<Parts>(from, stride, tile, rows);
}

}  // namespace

bool has_tile_product() {
  static const bool has = [] {
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
    return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512bf16") && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return has;
}

struct TileProduct::Work {
  void multiply(const Factor& factor, const Sheet& sheet, int n_threads) {
    if (team.size() < static_cast<size_t>(n_threads)) team.resize(static_cast<size_t>(n_threads));
    rows.precision == TilePrecision::bf16 ? multiply_all<1>(rows, factor, sheet, team, n_threads)
                                          : multiply_all<kMostParts>(rows, factor, sheet, team, n_threads);
  }

  Rows rows, next;
  std::vector<Thread> team;
};

TileProduct::TileProduct() : work_(std::make_unique<Work>()) {}
TileProduct::~TileProduct() = default;

void TileProduct::set_rows(const float* from, int64_t m, int64_t k, int64_t stride, TilePrecision precision, int n_threads) {
  Rows& rows = work_->rows;
  rows.set(m, k, precision);
  precision == TilePrecision::bf16 ? pack_all<1>(rows, from, stride, n_threads) : pack_all<kMostParts>(rows, from, stride, n_threads);
}

void TileProduct::multiply(const TileWeights& weights, float* c, int64_t c_stride, int n_threads) {
  work_->multiply({weights}, {c, c_stride, work_->rows.m, weights.n}, n_threads);
}

void TileProduct::multiply_gated(const TileWeights& gate, const TileWeights& up, float* c, int64_t c_stride, int n_threads) {
  work_->multiply({gate, &up}, {c, c_stride, work_->rows.m, gate.n}, n_threads);
}

void TileProduct::set_rows_gated(const TileWeights& gate, const TileWeights& up, int n_threads) {
  work_->next.set(work_->rows.m, gate.n, work_->rows.precision);
  work_->multiply({gate, &up}, Sheet(work_->next), n_threads);
  std::swap(work_->rows, work_->next);
}

}  // namespace qeval

#else

namespace qeval {

bool has_tile_product() { return false; }

struct TileProduct::Work {};
TileProduct::TileProduct() = default;
TileProduct::~TileProduct() = default;
void TileProduct::set_rows(const float*, int64_t, int64_t, int64_t, TilePrecision, int) {}
void TileProduct::multiply(const TileWeights&, float*, int64_t, int) {}
void TileProduct::multiply_gated(const TileWeights&, const TileWeights&, float*, int64_t, int) {}
void TileProduct::set_rows_gated(const TileWeights&, const TileWeights&, int) {}

}  // namespace qeval

#endif
