#include "qeval/engine/llama/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "qeval/engine/llama/cell_products.h"
#include "qeval/engine/llama/ordered_product.h"
#include "qeval/engine/llama/vector_math.h"

namespace qeval {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr uint16_t kNeverF16 = 0xFC00;
constexpr int64_t kCellGroup = kFloats;  // cells are left out in groups of this many
constexpr int64_t kCellsAtOnce = 384;  // K or V of so many as floats stay in the second-level cache
constexpr int64_t kProductRows = 96;  // rows of a block times heads that share K and V
constexpr int64_t kMostScores = int64_t{1} << 20;  // of a block: 4 MB a thread
constexpr int64_t kRowsInPlace = 8;  // of a block, times heads: up to here cells are read where they lie
constexpr int64_t kLeastSums = int64_t{1} << 17;  // below that a change of back ends costs more

std::atomic<int64_t> n_nodes = 0;

size_t at(int64_t i) { return static_cast<size_t>(i); }

// The cache behind a cast to F16. Only a cache: what the graph itself computed may be overwritten once it has been cast.
const ggml_tensor* uncast(const ggml_tensor* t) {
  if (t->op != GGML_OP_CPY || t->type != GGML_TYPE_F16) return t;
  const ggml_tensor* from = t->src[0];
  const ggml_tensor* root = from->view_src ? from->view_src : from;
  const bool kept = root->op == GGML_OP_NONE && root->buffer &&
                    ggml_backend_buffer_get_usage(root->buffer) != GGML_BACKEND_BUFFER_USAGE_COMPUTE;
  return kept && from->type == GGML_TYPE_F32 && ggml_are_same_shape(from, t) ? from : t;
}

bool holds_rows_of_floats(const ggml_tensor* t) {
  return (t->type == GGML_TYPE_F16 || t->type == GGML_TYPE_F32) && t->nb[0] == ggml_type_size(t->type);
}

const char* row_of(const ggml_tensor* t, int64_t i1, int64_t i2, int64_t i3) {
  return static_cast<const char*>(t->data) + at(i1) * t->nb[1] + at(i2) * t->nb[2] + at(i3) * t->nb[3];
}

float parameter(const ggml_tensor* node, int i) {
  float value;
  std::memcpy(&value, node->op_params + i, sizeof value);
  return value;
}

struct Node {
  Node(const ggml_tensor* dst, bool any_rows)
      : q(dst->src[0]), k(uncast(dst->src[1])), v(uncast(dst->src[2])), mask(dst->src[3]), out(static_cast<float*>(dst->data)),
        scale(parameter(dst, 0)), n_rows(q->ne[1]), n_heads(q->ne[2]), n_streams(q->ne[3]), n_cells(k->ne[1]), n_kv_heads(k->ne[2]),
        group(n_heads / n_kv_heads), k_width(k->ne[0]), v_width(v->ne[0]),
        block_rows(std::min(n_rows, std::clamp(std::min(kProductRows, kMostScores / n_cells) / group, int64_t{8}, int64_t{64}))),
        n_blocks((n_rows + block_rows - 1) / block_rows),
        in_place(!any_rows && block_rows * group <= kRowsInPlace && k_width % kCellGroup == 0 && has_cell_products()) {}

  const ggml_tensor *q, *k, *v, *mask;  // mask may be null
  float* out;
  float scale;
  int64_t n_rows, n_heads, n_streams, n_cells, n_kv_heads;  // rows and cells of a stream
  int64_t group;                                            // heads that share K and V
  int64_t k_width, v_width;
  int64_t block_rows, n_blocks;
  bool in_place;  // cells are read where they lie, in another order of sums than that of many rows
};

QEVAL_VECTOR_CLONES void add_seen(const uint16_t* mask, int64_t n, uint16_t* seen) {
  for (int64_t i = 0; i < n; ++i) seen[i] = static_cast<uint16_t>(seen[i] | (mask[i] ^ kNeverF16));
}

QEVAL_VECTOR_CLONES float add_and_max(float* x, const float* mask, int64_t n) {
  Floats best = Floats{} + kNever;
  for (int64_t i = 0; i < n; i += kFloats) {
    floats_at(x + i) += floats_at(mask + i);
    keep_greater(best, floats_at(x + i));
  }
  return greatest(best);
}

// The sum of whole multiples of 2^-38, which is exact up to 2^15: what else is in the block moves cells to other lanes, which must not
// change it. Two loops, as g++ does not vectorise the exponential beside sums of another width.
QEVAL_VECTOR_CLONES double exp_and_sum(float* x, float max, int64_t n) {
  constexpr double kRound = 1.5 * (1 << 14);
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] == kNever ? 0.0f : exp_negative(x[i] - max);
  double lanes[kCellGroup] = {};
  for (int64_t i = 0; i < n; i += kCellGroup)
    for (int64_t j = 0; j < kCellGroup; ++j) lanes[j] += static_cast<double>(x[i + j]) + kRound - kRound;
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

QEVAL_VECTOR_CLONES void multiply_by(float* x, int64_t n, float factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

// [kCellGroup][width] to [width][kCellGroup], whose rows lie `stride` floats apart.
void transpose_group(const float* from, int64_t width, float* to, int64_t stride) {
  int64_t d = 0;
#if defined(__x86_64__)
  for (; d + 4 <= width; d += 4)
    for (int64_t c = 0; c < kCellGroup; c += 4) {
      __m128 rows[4];
      for (int64_t i = 0; i < 4; ++i) rows[i] = _mm_loadu_ps(from + (c + i) * width + d);
      _MM_TRANSPOSE4_PS(rows[0], rows[1], rows[2], rows[3]);
      for (int64_t i = 0; i < 4; ++i) _mm_storeu_ps(to + (d + i) * stride + c, rows[i]);
    }
#endif
  for (; d < width; ++d)
    for (int64_t c = 0; c < kCellGroup; ++c) to[d * stride + c] = from[c * width + d];
}

void copy_as_floats(const ggml_tensor* t, const char* row, int64_t n, float* out) {
  if (t->type == GGML_TYPE_F16)
    ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(row), out, n);
  else
    std::memcpy(out, row, at(n) * sizeof(float));
}

}  // namespace

// What one thread works in.
struct AttentionWorkspace {
  std::vector<uint16_t> seen;   // for each cell: not 0 where a row sees it
  std::vector<int64_t> groups;  // first cells of the groups that some row sees
  std::vector<float> q, cells, group, mask, scores, sums, out;

  // Before the threads start, as nothing may throw between them.
  void grow(const Node& node) {
    const auto at_least = [](auto& vector, int64_t n) {
      if (vector.size() < at(n)) vector.resize(at(n));
    };
    const int64_t m = node.block_rows * node.group;
    seen.resize(at(node.n_cells));
    groups.reserve(at(node.n_cells / kCellGroup));
    at_least(q, m * node.k_width);
    at_least(cells, node.in_place ? 0 : kCellsAtOnce * std::max(node.k_width, node.v_width));
    at_least(group, node.in_place ? 0 : kCellGroup * node.k_width);
    at_least(mask, node.n_cells);
    at_least(scores, m * node.n_cells);
    at_least(sums, m);
    at_least(out, m * node.v_width);
  }
};

namespace {

// One block of rows of one stream, for the heads that share K and V: row r of head h is row h * n_rows_ + r of its matrices.
// Nothing in a row's result depends on which other rows and cells there are.
class Block {
 public:
  Block(const Node& node, AttentionWorkspace& work, int64_t stream, int64_t kv_head, int64_t first_row)
      : node_(node), w_(work), stream_(stream), kv_head_(kv_head), first_row_(first_row),
        n_rows_(std::min(node.block_rows, node.n_rows - first_row)), m_(n_rows_ * node.group) {}

  void compute() {
    find_cells();
    std::fill_n(w_.out.begin(), m_ * node_.v_width, 0.0f);
    for (int64_t i = 0; i < m_; ++i) {
      float* row = &w_.q[at(i * node_.k_width)];
      std::memcpy(row, row_of(node_.q, first_row_ + i % n_rows_, kv_head_ * node_.group + i / n_rows_, stream_), at(node_.k_width) * sizeof(float));
      multiply_by(row, node_.k_width, node_.scale);
    }
    node_.in_place ? score_in_place() : score();
    for (int64_t r = 0; r < n_rows_; ++r) weigh(r);
    node_.in_place ? add_in_place() : add_values();
    write();
  }

 private:
  const uint16_t* mask_row(int64_t row) const {
    return reinterpret_cast<const uint16_t*>(row_of(node_.mask, first_row_ + row, 0, stream_ % node_.mask->ne[3]));
  }

  void find_cells() {
    std::fill(w_.seen.begin(), w_.seen.end(), static_cast<uint16_t>(node_.mask ? 0 : 1));
    for (int64_t r = 0; node_.mask && r < n_rows_; ++r) add_seen(mask_row(r), node_.n_cells, w_.seen.data());
    w_.groups.clear();
    for (int64_t cell = 0; cell < node_.n_cells; cell += kCellGroup) {
      const uint16_t* seen = &w_.seen[at(cell)];
      if (std::any_of(seen, seen + kCellGroup, [](uint16_t one) { return one != 0; })) w_.groups.push_back(cell);
    }
    n_ = static_cast<int64_t>(w_.groups.size()) * kCellGroup;
  }

  // f(first cell, how many, how many came before) for cells that lie beside each other.
  template <class F>
  void for_runs(const F& f) const {
    for (size_t g = 0, end = 0; g < w_.groups.size(); g = end) {
      for (end = g + 1; end < w_.groups.size() && w_.groups[end] == w_.groups[end - 1] + kCellGroup;) ++end;
      f(w_.groups[g], static_cast<int64_t>(end - g) * kCellGroup, static_cast<int64_t>(g) * kCellGroup);
    }
  }

  Cells cells_of(const ggml_tensor* t, int64_t cell, int64_t n) const {
    return {row_of(t, cell, kv_head_, stream_), t->nb[1], n, t->ne[0], t->type == GGML_TYPE_F16};
  }

  void score_in_place() {
    for_runs([&](int64_t cell, int64_t n, int64_t before) { score_cells(cells_of(node_.k, cell, n), w_.q.data(), m_, &w_.scores[at(before)], n_); });
  }

  void add_in_place() {
    for_runs([&](int64_t cell, int64_t n, int64_t before) { add_weighted_cells(cells_of(node_.v, cell, n), &w_.scores[at(before)], n_, m_, w_.out.data()); });
  }

  void gather(const ggml_tensor* t, int64_t group, float* out) const {
    const int64_t cell = w_.groups[at(group)], width = t->ne[0];
    for (int64_t i = 0; i < kCellGroup; ++i) copy_as_floats(t, row_of(t, cell + i, kv_head_, stream_), width, out + i * width);
  }

  void score() {
    const int64_t width = node_.k_width;
    for (int64_t first = 0; first < n_; first += kCellsAtOnce) {
      const int64_t n = std::min(n_ - first, kCellsAtOnce);
      for (int64_t c = 0; c < n; c += kCellGroup) {
        gather(node_.k, (first + c) / kCellGroup, w_.group.data());
        transpose_group(w_.group.data(), width, &w_.cells[at(c)], n);
      }
      multiply({.m = m_, .n = n, .k = width, .a_stride = width, .b_stride = n, .c_stride = n_}, w_.q.data(), w_.cells.data(), &w_.scores[at(first)]);
    }
  }

  void add_values() {
    const int64_t width = node_.v_width;
    for (int64_t first = 0; first < n_; first += kCellsAtOnce) {
      const int64_t n = std::min(n_ - first, kCellsAtOnce);
      for (int64_t c = 0; c < n; c += kCellGroup) gather(node_.v, (first + c) / kCellGroup, &w_.cells[at(c * width)]);
      multiply({.m = m_, .n = width, .k = n, .a_stride = n_, .b_stride = width, .c_stride = width, .add = true}, &w_.scores[at(first)],
               w_.cells.data(), w_.out.data());
    }
  }

  // Scores become what each cell weighs, for row `r` of each head.
  void weigh(int64_t r) {
    if (!node_.mask) std::fill_n(w_.mask.begin(), n_, 0.0f);
    else
      for_runs([&](int64_t cell, int64_t n, int64_t before) {
        ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(mask_row(r) + cell), &w_.mask[at(before)], n);
      });
    for (int64_t i = r; i < m_; i += n_rows_) {
      float* row = &w_.scores[at(i * n_)];
      const float max = add_and_max(row, w_.mask.data(), n_);
      const double sum = exp_and_sum(row, max, n_);
      w_.sums[at(i)] = static_cast<float>(sum);
    }
  }

  void write() {
    for (int64_t i = 0; i < m_; ++i) {
      multiply_by(&w_.out[at(i * node_.v_width)], node_.v_width, w_.sums[at(i)] > 0 ? 1 / w_.sums[at(i)] : 0);
      const int64_t head = kv_head_ * node_.group + i / n_rows_;
      const int64_t out_row = (stream_ * node_.n_rows + first_row_ + i % n_rows_) * node_.n_heads + head;
      std::memcpy(node_.out + out_row * node_.v_width, &w_.out[at(i * node_.v_width)], at(node_.v_width) * sizeof(float));
    }
  }

  const Node& node_;
  AttentionWorkspace& w_;
  const int64_t stream_, kv_head_, first_row_, n_rows_, m_;
  int64_t n_ = 0;  // cells that some row sees, in whole groups
};

}  // namespace

Attention::Attention() = default;
Attention::~Attention() = default;

bool Attention::can_compute(const ggml_tensor* node, bool any_rows) {
  if (node->op != GGML_OP_FLASH_ATTN_EXT || ggml_is_empty(node) || node->type != GGML_TYPE_F32 || !ggml_is_contiguous(node)) return false;
  const ggml_tensor *q = node->src[0], *k = uncast(node->src[1]), *v = uncast(node->src[2]), *mask = node->src[3], *sinks = node->src[4];
  if (sinks || parameter(node, 1) != 0 || parameter(node, 2) != 0) return false;  // position biases, capped scores
  if (q->type != GGML_TYPE_F32 || !holds_rows_of_floats(q) || !holds_rows_of_floats(k) || !holds_rows_of_floats(v)) return false;
  if (k->ne[1] % kCellGroup != 0 || v->ne[0] % kCellGroup != 0 || v->ne[1] != k->ne[1] || v->ne[2] != k->ne[2] || q->ne[2] % k->ne[2] != 0) return false;
  if (k->ne[3] != q->ne[3] || v->ne[3] != q->ne[3]) return false;
  if (mask && (mask->type != GGML_TYPE_F16 || mask->nb[0] != sizeof(ggml_fp16_t) || mask->ne[0] < k->ne[1] || mask->ne[1] < q->ne[1] ||
               mask->ne[2] != 1 || q->ne[3] % mask->ne[3] != 0))
    return false;
  const int64_t n_rows = q->ne[1] * q->ne[3];
  const bool worth = n_rows * q->ne[2] * k->ne[1] * (k->ne[0] + v->ne[0]) >= kLeastSums;
  const bool needed = k != node->src[1] || v != node->src[2];  // ggml would go on with what was cast
  return (worth || needed || any_rows) && has_fast_ordered_product();
}

void Attention::compute(const ggml_tensor* tensor, int n_threads, bool any_rows) {
  const Node node(tensor, any_rows);
  const int64_t n_blocks = node.n_streams * node.n_kv_heads * node.n_blocks;
  n_threads = static_cast<int>(std::clamp<int64_t>(n_threads, 1, n_blocks));
  while (team_.size() < static_cast<size_t>(n_threads)) team_.push_back(std::make_unique<AttentionWorkspace>());
  for (int i = 0; i < n_threads; ++i) team_[static_cast<size_t>(i)]->grow(node);
  std::atomic<int> n_begun = 0;
#pragma omp parallel num_threads(n_threads)
  {
    AttentionWorkspace& work = *team_[static_cast<size_t>(n_begun++)];
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < n_blocks; ++i) {
      const int64_t block = node.n_blocks - 1 - i / (node.n_streams * node.n_kv_heads);  // the last rows see most: longest first
      const int64_t head = i % node.n_kv_heads, stream = i / node.n_kv_heads % node.n_streams;
      Block(node, work, stream, head, block * node.block_rows).compute();
    }
  }
  n_nodes.fetch_add(1, std::memory_order_relaxed);
}

int64_t Attention::n_computed() { return n_nodes.load(std::memory_order_relaxed); }

}  // namespace qeval
