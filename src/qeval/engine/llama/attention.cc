#include "qeval/engine/llama/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "qeval/engine/llama/cell_products.h"
#include "qeval/engine/llama/matrix_products.h"
#include "qeval/engine/llama/team_size.h"
#include "qeval/engine/llama/vector_math.h"

namespace qeval {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr uint16_t kNeverF16 = 0xFC00;
constexpr int64_t kCellGroup = 16;  // cells are left out in groups of this many: a vector of floats
// K, V and scores of a block stay in the second-level cache; and oneDNN adds up that many products in one go.
constexpr int64_t kCellsAtOnce = 384;
constexpr int64_t kProductRows = 96;  // rows of a block times heads that share K and V
constexpr int64_t kLeastRows = 4;  // fewer do not keep the threads busy; ggml divides those by cells
constexpr int64_t kRowsInPlace = 8;  // of a block, times heads: up to here cells are read where they lie
constexpr int64_t kLeastSums = int64_t{1} << 21;  // below that a change of back ends costs more

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
  explicit Node(const ggml_tensor* dst)
      : q(dst->src[0]), k(uncast(dst->src[1])), v(uncast(dst->src[2])), mask(dst->src[3]), out(static_cast<float*>(dst->data)),
        scale(parameter(dst, 0)), n_rows(q->ne[1]), n_heads(q->ne[2]), n_streams(q->ne[3]), n_cells(k->ne[1]), n_kv_heads(k->ne[2]),
        group(n_heads / n_kv_heads), k_width(k->ne[0]), v_width(v->ne[0]),
        block_rows(std::min(n_rows, std::clamp(kProductRows / group, int64_t{8}, int64_t{64}))),
        n_blocks((n_rows + block_rows - 1) / block_rows),
        in_place(block_rows * group <= kRowsInPlace && k_width % kCellGroup == 0 && v_width % kCellGroup == 0 && has_cell_products()) {}

  const ggml_tensor *q, *k, *v, *mask;  // mask may be null
  float* out;
  float scale;
  int64_t n_rows, n_heads, n_streams, n_cells, n_kv_heads;  // rows and cells of a stream
  int64_t group;                                            // heads that share K and V
  int64_t k_width, v_width;
  int64_t block_rows, n_blocks;
  bool in_place;  // cells are read where they lie
};

struct CellRun {
  int64_t begin, end;
};

QEVAL_VECTOR_CLONES void add_seen(const uint16_t* mask, int64_t n, uint16_t* seen) {
  for (int64_t i = 0; i < n; ++i) seen[i] = static_cast<uint16_t>(seen[i] | (mask[i] ^ kNeverF16));
}

QEVAL_VECTOR_CLONES float add_and_max(float* x, const float* mask, int64_t n) {
  float lanes[kCellGroup];
  for (float& lane : lanes) lane = kNever;
  for (int64_t i = 0; i < n; i += kCellGroup)
    for (int64_t j = 0; j < kCellGroup; ++j) {
      x[i + j] += mask[i + j];
      lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    }
  float best = lanes[0];
  for (float lane : lanes) best = lane > best ? lane : best;
  return best;
}

// The sum in double: what else is in the block moves cells to other lanes, which must not change it. Two loops, as g++ does not
// vectorise the exponential beside sums of another width.
QEVAL_VECTOR_CLONES double exp_and_sum(float* x, float max, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] == kNever ? 0.0f : exp_negative(x[i] - max);
  double lanes[kCellGroup] = {};
  for (int64_t i = 0; i < n; i += kCellGroup)
    for (int64_t j = 0; j < kCellGroup; ++j) lanes[j] += static_cast<double>(x[i + j]);
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

QEVAL_VECTOR_CLONES void multiply_by(float* x, int64_t n, float factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
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
  std::vector<uint16_t> seen;  // for each cell: not 0 where a row sees it
  std::vector<CellRun> runs;   // the cells of one step
  std::vector<float> q, k, v, mask, scores, out, max;
  std::vector<double> sum;

  // Before the threads start, as nothing may throw between them.
  void grow(const Node& node) {
    const auto at_least = [](auto& vector, int64_t n) {
      if (vector.size() < at(n)) vector.resize(at(n));
    };
    const int64_t m = node.block_rows * node.group;
    seen.resize(at(node.n_cells));
    runs.reserve(at(kCellsAtOnce / kCellGroup));
    at_least(q, m * node.k_width);
    at_least(k, node.in_place ? 0 : kCellsAtOnce * node.k_width);
    at_least(v, node.in_place ? 0 : kCellsAtOnce * node.v_width);
    at_least(mask, node.block_rows * kCellsAtOnce);
    at_least(scores, m * kCellsAtOnce);
    at_least(out, m * node.v_width);
    at_least(max, m);
    at_least(sum, m);
  }
};

namespace {

// One block of rows of one stream, for the heads that share K and V: row r of head h is row h * n_rows_ + r of its matrices.
class Block {
 public:
  Block(const Node& node, AttentionWorkspace& work, int64_t stream, int64_t kv_head, int64_t first_row)
      : node_(node), w_(work), stream_(stream), kv_head_(kv_head), first_row_(first_row),
        n_rows_(std::min(node.block_rows, node.n_rows - first_row)), m_(n_rows_ * node.group) {}

  bool compute() {
    for (int64_t i = 0; i < m_; ++i)
      std::memcpy(&w_.q[at(i * node_.k_width)], row_of(node_.q, first_row_ + i % n_rows_, kv_head_ * node_.group + i / n_rows_, stream_),
                  at(node_.k_width) * sizeof(float));
    std::fill_n(w_.max.begin(), m_, kNever);
    std::fill_n(w_.sum.begin(), m_, 0.0);
    std::fill_n(w_.out.begin(), m_ * node_.v_width, 0.0f);
    look_at_mask();
    for (int64_t cell = 0; cell < node_.n_cells;)
      if (const int64_t n = next_cells(cell); n > 0 && !add_cells(n)) return false;
    write();
    return true;
  }

 private:
  const uint16_t* mask_row(int64_t row) const {
    return reinterpret_cast<const uint16_t*>(row_of(node_.mask, first_row_ + row, 0, stream_ % node_.mask->ne[3]));
  }

  void look_at_mask() {
    std::fill(w_.seen.begin(), w_.seen.end(), static_cast<uint16_t>(node_.mask ? 0 : 1));
    for (int64_t r = 0; node_.mask && r < n_rows_; ++r) add_seen(mask_row(r), node_.n_cells, w_.seen.data());
  }

  // Chooses the cells of the next step, from `cell` on, which moves past them. Returns how many there are.
  int64_t next_cells(int64_t& cell) {
    w_.runs.clear();
    int64_t n = 0;
    for (; cell < node_.n_cells && n < kCellsAtOnce; cell += kCellGroup) {
      const uint16_t* seen = &w_.seen[at(cell)];
      if (std::all_of(seen, seen + kCellGroup, [](uint16_t one) { return one == 0; })) continue;
      if (w_.runs.empty() || w_.runs.back().end != cell) w_.runs.push_back({cell, cell});
      w_.runs.back().end += kCellGroup;
      n += kCellGroup;
    }
    return n;
  }

  void gather_cells() {
    int64_t to = 0;
    for (const CellRun& run : w_.runs)
      for (int64_t c = run.begin; c < run.end; ++c, ++to) {
        copy_as_floats(node_.k, row_of(node_.k, c, kv_head_, stream_), node_.k_width, &w_.k[at(to * node_.k_width)]);
        copy_as_floats(node_.v, row_of(node_.v, c, kv_head_, stream_), node_.v_width, &w_.v[at(to * node_.v_width)]);
      }
  }

  void gather_mask(int64_t n) {
    if (!node_.mask) std::fill_n(w_.mask.begin(), n_rows_ * n, 0.0f);
    int64_t to = 0;
    for (const CellRun& run : w_.runs) {
      for (int64_t r = 0; node_.mask && r < n_rows_; ++r)
        ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(mask_row(r) + run.begin), &w_.mask[at(r * n + to)], run.end - run.begin);
      to += run.end - run.begin;
    }
  }

  Cells cells_of(const ggml_tensor* t, const CellRun& run) const {
    return {row_of(t, run.begin, kv_head_, stream_), t->nb[1], run.end - run.begin, t->ne[0], t->type == GGML_TYPE_F16};
  }

  bool score(int64_t n) {
    if (!node_.in_place) {
      const SmallProduct scores{.m = m_, .n = n, .k = node_.k_width, .scale = node_.scale, .b_is_transposed = true, .keep = 0};
      return MatrixProducts::multiply(scores, w_.q.data(), w_.k.data(), w_.scores.data());
    }
    float* to = w_.scores.data();
    for (const CellRun& run : w_.runs) {
      score_cells(cells_of(node_.k, run), w_.q.data(), m_, node_.scale, to, n);
      to += run.end - run.begin;
    }
    return true;
  }

  bool add_values(int64_t n) {
    if (!node_.in_place) {
      const SmallProduct values{.m = m_, .n = node_.v_width, .k = n, .scale = 1, .b_is_transposed = false, .keep = 1};
      return MatrixProducts::multiply(values, w_.scores.data(), w_.v.data(), w_.out.data());
    }
    const float* from = w_.scores.data();
    for (const CellRun& run : w_.runs) {
      add_weighted_cells(cells_of(node_.v, run), from, n, m_, w_.out.data());
      from += run.end - run.begin;
    }
    return true;
  }

  bool add_cells(int64_t n) {
    if (!node_.in_place) gather_cells();
    gather_mask(n);
    if (!score(n)) return false;
    for (int64_t i = 0; i < m_; ++i) {
      float* row = &w_.scores[at(i * n)];
      float& max = w_.max[at(i)];
      double& sum = w_.sum[at(i)];
      const float higher = std::max(max, add_and_max(row, &w_.mask[at(i % n_rows_ * n)], n));
      if (higher > max && sum > 0) {
        const float factor = std::exp(max - higher);
        sum *= factor;
        multiply_by(&w_.out[at(i * node_.v_width)], node_.v_width, factor);
      }
      max = higher;
      sum += exp_and_sum(row, max, n);
    }
    return add_values(n);
  }

  void write() {
    for (int64_t i = 0; i < m_; ++i) {
      float* row = &w_.out[at(i * node_.v_width)];
      multiply_by(row, node_.v_width, w_.sum[at(i)] > 0 ? static_cast<float>(1 / w_.sum[at(i)]) : 0);
      const int64_t head = kv_head_ * node_.group + i / n_rows_;
      const int64_t out_row = (stream_ * node_.n_rows + first_row_ + i % n_rows_) * node_.n_heads + head;
      std::memcpy(node_.out + out_row * node_.v_width, row, at(node_.v_width) * sizeof(float));
    }
  }

  const Node& node_;
  AttentionWorkspace& w_;
  const int64_t stream_, kv_head_, first_row_, n_rows_, m_;
};

}  // namespace

Attention::Attention() = default;
Attention::~Attention() = default;

bool Attention::can_compute(const ggml_tensor* node) {
  if (node->op != GGML_OP_FLASH_ATTN_EXT || node->type != GGML_TYPE_F32 || !ggml_is_contiguous(node)) return false;
  const ggml_tensor *q = node->src[0], *k = uncast(node->src[1]), *v = uncast(node->src[2]), *mask = node->src[3], *sinks = node->src[4];
  if (sinks || parameter(node, 1) != 0 || parameter(node, 2) != 0) return false;  // position biases, capped scores
  if (q->type != GGML_TYPE_F32 || !holds_rows_of_floats(q) || !holds_rows_of_floats(k) || !holds_rows_of_floats(v)) return false;
  if (k->ne[1] % kCellGroup != 0 || v->ne[1] != k->ne[1] || v->ne[2] != k->ne[2] || q->ne[2] % k->ne[2] != 0) return false;
  if (k->ne[3] != q->ne[3] || v->ne[3] != q->ne[3]) return false;
  if (mask && (mask->type != GGML_TYPE_F16 || mask->nb[0] != sizeof(ggml_fp16_t) || mask->ne[0] < k->ne[1] || mask->ne[1] < q->ne[1] ||
               mask->ne[2] != 1 || q->ne[3] % mask->ne[3] != 0))
    return false;
  const int64_t n_rows = q->ne[1] * q->ne[3];
  const bool worth = n_rows >= kLeastRows && n_rows * q->ne[2] * k->ne[1] * (k->ne[0] + v->ne[0]) >= kLeastSums;
  const bool needed = k != node->src[1] || v != node->src[2];  // ggml would go on with what was cast
  return (worth || needed) && MatrixProducts::shared().fast_in_f32();
}

void Attention::compute(const ggml_tensor* tensor, int n_threads) {
  const Node node(tensor);
  const int64_t n_blocks = node.n_streams * node.n_kv_heads * node.n_blocks;
  n_threads = static_cast<int>(std::clamp<int64_t>(n_threads, 1, n_blocks));
  while (team_.size() < static_cast<size_t>(n_threads)) team_.push_back(std::make_unique<AttentionWorkspace>());
  for (int i = 0; i < n_threads; ++i) team_[static_cast<size_t>(i)]->grow(node);
  std::atomic<int> n_begun = 0;
  std::atomic<bool> failed = false;
#pragma omp parallel num_threads(n_threads)
  {
    const TeamSize alone(1);
    AttentionWorkspace& work = *team_[static_cast<size_t>(n_begun++)];
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < n_blocks; ++i) {
      const int64_t block = node.n_blocks - 1 - i / (node.n_streams * node.n_kv_heads);  // the last rows see most: longest first
      const int64_t head = i % node.n_kv_heads, stream = i / node.n_kv_heads % node.n_streams;
      if (!Block(node, work, stream, head, block * node.block_rows).compute()) failed = true;
    }
  }
  if (failed) throw std::runtime_error("oneDNN cannot multiply");
  n_nodes.fetch_add(1, std::memory_order_relaxed);
}

int64_t Attention::n_computed() { return n_nodes.load(std::memory_order_relaxed); }

}  // namespace qeval
