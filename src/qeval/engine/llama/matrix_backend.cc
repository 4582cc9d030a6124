#include "qeval/engine/llama/matrix_backend.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "qeval/engine/llama/attention.h"
#include "qeval/engine/llama/matrix_products.h"
#include "qeval/engine/llama/ordered_product.h"
#include "qeval/engine/llama/quantised_rows.h"
#include "qeval/engine/llama/swiglu.h"
#include "qeval/engine/llama/tile_product.h"

namespace qeval {
namespace {

constexpr const char* kName = "qeval";
// Fewer rows go to ggml: a change of back ends costs tens of microseconds, and weights are read once either way. Tiles read BF16 faster than ggml.
constexpr int64_t kLeastRows = 32, kLeastRowsInTiles = 1;
constexpr int64_t kLeastColumns = 32;
constexpr int64_t kLeastSums = int64_t{1} << 22, kLeastSumsInTiles = int64_t{1} << 16;  // m * n * k
// Quantised weights that are BF16 at a time for oneDNN, 8 MB; of larger tensors fewer, as their results pass through the cache too: oneDNN 2.6 has
// no fast kernel for a result with gaps.
constexpr int64_t kMostExpanded = int64_t{4} << 20, kExpandedPart = int64_t{1} << 20;

constexpr const char* kLogits = "result_output";  // llama.cpp's name of the node
constexpr int64_t kCopiedAtOnce = int64_t{1} << 20;

thread_local bool any_rows = false;              // of AnyRows
thread_local LogitsInPlace* in_place = nullptr;  // the innermost, where it is on
std::atomic<int64_t> n_products = 0, n_gated = 0, n_in_place = 0;

// Quantised weights are multiplied as BF16.
bool is_expanded(const ggml_tensor* weights) { return ggml_is_quantized(weights->type); }
bool in_bf16(const ggml_tensor* dst) { return dst->src[0]->type != GGML_TYPE_F32; }

int64_t floats_in(size_t bytes) { return static_cast<int64_t>(bytes / sizeof(float)); }

// The product with `n` rows of weights.
ProductShape shape_of(const ggml_tensor* dst, int64_t n) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  ProductShape shape;
  shape.bf16 = in_bf16(dst);
  shape.m = rows->ne[1];
  shape.n = n;
  shape.k = weights->ne[0];
  shape.a_stride = shape.bf16 ? shape.k : floats_in(rows->nb[1]);
  shape.b_stride = is_expanded(weights) ? shape.k : static_cast<int64_t>(weights->nb[1] / ggml_type_size(weights->type));
  return shape;
}

// Rows of weights that oneDNN multiplies at once.
int64_t rows_at_once(const ggml_tensor* weights) {
  const int64_t n = weights->ne[1], k = weights->ne[0];
  if (!is_expanded(weights) || n * k <= kMostExpanded) return n;
  return std::min(n, std::max(2 * kLeastColumns, kExpandedPart / k / kLeastColumns * kLeastColumns));
}

bool has_product(const ggml_tensor* dst) {
  if (has_tile_product()) return true;
  const int64_t n = dst->src[0]->ne[1], at_once = rows_at_once(dst->src[0]), rest = n % at_once;
  MatrixProducts& products = MatrixProducts::shared();
  return products.find(shape_of(dst, at_once)) && (rest == 0 || products.find(shape_of(dst, rest)));
}

bool can_multiply(const ggml_tensor* dst) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  if (ggml_is_empty(dst)) return false;  // no row of logits is read
  if (weights->type != GGML_TYPE_BF16 && weights->type != GGML_TYPE_F32 && !is_expanded(weights)) return false;
  if (is_expanded(weights) && !quantised_row_reader(weights->type)) return false;
  if (rows->type != GGML_TYPE_F32 || dst->type != GGML_TYPE_F32) return false;
  if (dst->op_params[1] == GGML_HINT_SRC0_IS_HADAMARD) return false;
  if (weights->ne[1] < kLeastColumns || weights->ne[0] < kLeastColumns) return false;
  const bool tiles = weights->type == GGML_TYPE_BF16 && has_tile_product();
  const bool worth = rows->ne[1] >= (tiles ? kLeastRowsInTiles : kLeastRows) &&
                     rows->ne[1] * weights->ne[1] * weights->ne[0] >= (tiles ? kLeastSumsInTiles : kLeastSums);
  if (!worth && !any_rows) return false;
  if (weights->nb[0] != ggml_type_size(weights->type) || rows->nb[0] != 4 || !ggml_is_contiguous(dst)) return false;
  if (weights->nb[1] < ggml_row_size(weights->type, weights->ne[0]) || rows->nb[1] % 4 != 0 || rows->nb[1] < 4 * static_cast<size_t>(rows->ne[0]))
    return false;
  return has_product(dst);
}

// SwiGLU of two products that are computed here, so that those need not be written out.
bool can_gate(const ggml_tensor* dst) {
  const ggml_tensor *gate = dst->src[0], *up = dst->src[1];
  return has_tile_product() && ggml_get_glu_op(dst) == GGML_GLU_OP_SWIGLU && up && gate->op == GGML_OP_MUL_MAT && up->op == GGML_OP_MUL_MAT &&
         dst->type == GGML_TYPE_F32 && ggml_is_contiguous(dst) && ggml_are_same_shape(gate, up) && can_multiply(gate) && can_multiply(up);
}

struct Backend {
  int n_threads = GGML_DEFAULT_N_THREADS;
  const ggml_tensor* rows = nullptr;  // of this graph's, those that are held for products
  bool rows_in_bf16 = false;
  TileProduct tiles;
  // For oneDNN:
  std::vector<uint16_t> rounded;   // activations as BF16
  std::vector<uint16_t> expanded;  // weights as BF16
  std::vector<float> part;         // of a result
  Attention attention;
};

ggml_bf16_t* as_bf16(std::vector<uint16_t>& values, int64_t at) { return reinterpret_cast<ggml_bf16_t*>(values.data()) + at; }

void round_rows(Backend& backend, const ggml_tensor* rows) {
  const int64_t m = rows->ne[1], k = rows->ne[0];
  backend.rounded.resize(static_cast<size_t>(ggml_nelements(rows)));
#pragma omp parallel for collapse(3) schedule(static) num_threads(backend.n_threads)
  for (int64_t i3 = 0; i3 < rows->ne[3]; ++i3)
    for (int64_t i2 = 0; i2 < rows->ne[2]; ++i2)
      for (int64_t i1 = 0; i1 < m; ++i1)
        ggml_cpu_fp32_to_bf16(
            reinterpret_cast<const float*>(static_cast<const char*>(rows->data) + i1 * rows->nb[1] + i2 * rows->nb[2] + i3 * rows->nb[3]),
            as_bf16(backend.rounded, ((i3 * rows->ne[2] + i2) * m + i1) * k), k);
}

// `n` rows of quantised weights from `from` on.
uint16_t* expand(Backend& backend, const ggml_tensor* weights, const char* from, int64_t n) {
  const int64_t k = weights->ne[0];
  const ToBf16 to_bf16 = quantised_row_reader(weights->type);
  backend.expanded.resize(static_cast<size_t>(n * k));
#pragma omp parallel for schedule(static) num_threads(backend.n_threads)
  for (int64_t i = 0; i < n; ++i)
    to_bf16(weights->type, from + static_cast<size_t>(i) * weights->nb[1], k, as_bf16(backend.expanded, i * k), kWeightsOfRun * sizeof(ggml_bf16_t));
  return backend.expanded.data();
}

void copy_part(const Backend& backend, int64_t m, int64_t n, char* to, size_t stride) {
#pragma omp parallel for schedule(static) num_threads(backend.n_threads)
  for (int64_t i = 0; i < m; ++i) std::memcpy(to + static_cast<size_t>(i) * stride, backend.part.data() + i * n, static_cast<size_t>(n) * sizeof(float));
}

// What one slice of a batched product reads and writes.
struct Slice {
  Slice(const ggml_tensor* dst, int64_t i2, int64_t i3) {
    const ggml_tensor *w = dst->src[0], *r = dst->src[1];
    weights = static_cast<char*>(w->data) + i2 / (r->ne[2] / w->ne[2]) * w->nb[2] + i3 / (r->ne[3] / w->ne[3]) * w->nb[3];
    rows = static_cast<char*>(r->data) + i2 * r->nb[2] + i3 * r->nb[3];
    out = static_cast<char*>(dst->data) + i2 * dst->nb[2] + i3 * dst->nb[3];
  }
  char *weights, *rows, *out;
};

template <class F>
void for_slices(const ggml_tensor* dst, const F& f) {
  for (int64_t i3 = 0; i3 < dst->ne[3]; ++i3)
    for (int64_t i2 = 0; i2 < dst->ne[2]; ++i2) f(Slice(dst, i2, i3), i3 * dst->ne[2] + i2);
}

TileWeights weights_of(const ggml_tensor* dst) {
  const ggml_tensor* weights = dst->src[0];
  return {weights->data, weights->nb[1], weights->ne[1], weights->ne[0], weights->type};
}

void set_rows(Backend& backend, const ggml_tensor* dst, const char* from) {
  const ggml_tensor* rows = dst->src[1];
  backend.tiles.set_rows(reinterpret_cast<const float*>(from), rows->ne[1], rows->ne[0], floats_in(rows->nb[1]),
                         in_bf16(dst) ? TilePrecision::bf16 : TilePrecision::f32, backend.n_threads);
}

void multiply_in_tiles(Backend& backend, const ggml_tensor* dst, bool rows_are_set) {
  TileWeights weights = weights_of(dst);
  for_slices(dst, [&](const Slice& slice, int64_t) {
    if (!rows_are_set) set_rows(backend, dst, slice.rows);
    weights.rows = slice.weights;
    backend.tiles.multiply(weights, reinterpret_cast<float*>(slice.out), floats_in(dst->nb[1]), backend.n_threads);
  });
}

// Whether node `i` and the next are only there for the one behind them, which gates one by the other.
bool is_gated(ggml_cgraph* graph, int i) {
  if (!has_tile_product() || !ggml_can_fuse_subgraph(graph, i, {GGML_OP_MUL_MAT, GGML_OP_MUL_MAT, GGML_OP_GLU}, {i + 2})) return false;
  const ggml_tensor *one = ggml_graph_node(graph, i), *other = ggml_graph_node(graph, i + 1), *both = ggml_graph_node(graph, i + 2);
  const bool of_them = (both->src[0] == one && both->src[1] == other) || (both->src[0] == other && both->src[1] == one);
  return of_them && one->src[1] == other->src[1] && one->src[0]->type == other->src[0]->type && one->src[0]->nb[1] == other->src[0]->nb[1] &&
         ggml_are_same_shape(one->src[0], other->src[0]) && one->ne[2] * one->ne[3] == 1;
}

// Whether they and what they make are only there for the product behind, as its rows.
bool is_chained(ggml_cgraph* graph, int i) {
  if (!ggml_can_fuse_subgraph(graph, i, {GGML_OP_MUL_MAT, GGML_OP_MUL_MAT, GGML_OP_GLU, GGML_OP_MUL_MAT}, {i + 3})) return false;
  const ggml_tensor *gated = ggml_graph_node(graph, i + 2), *next = ggml_graph_node(graph, i + 3);
  return next->src[1] == gated && in_bf16(next) == in_bf16(gated->src[0]) && next->ne[2] * next->ne[3] == 1 && TileProduct::can_chain(weights_of(gated->src[0]));
}

void multiply_gated(Backend& backend, const ggml_tensor* dst, bool rows_are_set, bool chained) {
  const ggml_tensor *gate = dst->src[0], *up = dst->src[1];
  if (!rows_are_set) set_rows(backend, gate, static_cast<const char*>(gate->src[1]->data));
  if (chained) backend.tiles.set_rows_gated(weights_of(gate), weights_of(up), backend.n_threads);
  else backend.tiles.multiply_gated(weights_of(gate), weights_of(up), static_cast<float*>(dst->data), floats_in(dst->nb[1]), backend.n_threads);
}

// Of products that had to be written out.
void gate_rows(const Backend& backend, const ggml_tensor* dst) {
  const ggml_tensor *gate = dst->src[0], *up = dst->src[1];
  const int64_t width = dst->ne[0], n_rows = ggml_nrows(dst);
#pragma omp parallel for schedule(static) num_threads(backend.n_threads)
  for (int64_t i = 0; i < n_rows; ++i)
    swiglu(static_cast<const float*>(gate->data) + i * width, static_cast<const float*>(up->data) + i * width, width, static_cast<float*>(dst->data) + i * width);
}

void multiply_by_onednn(Backend& backend, const ggml_tensor* dst, bool rows_are_set) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  if (in_bf16(dst) && !rows_are_set) round_rows(backend, rows);
  const int64_t at_once = rows_at_once(weights);
  for_slices(dst, [&](const Slice& slice, int64_t i) {
    void* a = in_bf16(dst) ? static_cast<void*>(as_bf16(backend.rounded, i * rows->ne[1] * rows->ne[0])) : slice.rows;
    for (int64_t first = 0; first < weights->ne[1]; first += at_once) {
      const int64_t n = std::min(at_once, weights->ne[1] - first);
      void* b = slice.weights + static_cast<size_t>(first) * weights->nb[1];
      if (is_expanded(weights)) b = expand(backend, weights, static_cast<const char*>(b), n);
      const auto product = MatrixProducts::shared().find(shape_of(dst, n));
      if (!product) throw std::runtime_error("oneDNN has no product for a part of the weights");
      const bool whole = n == weights->ne[1];
      if (!whole) backend.part.resize(static_cast<size_t>(rows->ne[1] * n));
      MatrixProducts::shared().run(*product, a, b, whole ? static_cast<void*>(slice.out) : backend.part.data(), backend.n_threads);
      if (!whole) copy_part(backend, rows->ne[1], n, slice.out + static_cast<size_t>(first) * sizeof(float), dst->nb[1]);
    }
  });
}

// The product that is node `i`, or that and what follows from it alone: the last node that has been computed.
int multiply(Backend& backend, ggml_cgraph* graph, int i) {
  const ggml_tensor* node = ggml_graph_node(graph, i);
  const bool set = backend.rows == node->src[1] && backend.rows_in_bf16 == in_bf16(node) && node->ne[2] * node->ne[3] == 1;
  backend.rows = node->src[1];
  backend.rows_in_bf16 = in_bf16(node);
  n_products.fetch_add(1, std::memory_order_relaxed);
  if (!is_gated(graph, i)) {
    has_tile_product() ? multiply_in_tiles(backend, node, set) : multiply_by_onednn(backend, node, set);
    return i;
  }
  const ggml_tensor* gated = ggml_graph_node(graph, i + 2);
  const bool chained = is_chained(graph, i);
  multiply_gated(backend, gated, set, chained);
  if (chained) backend.rows = gated;
  n_products.fetch_add(1, std::memory_order_relaxed);
  n_gated.fetch_add(1, std::memory_order_relaxed);
  return i + 2;
}

ggml_status compute(ggml_backend_t self, ggml_cgraph* graph) {
  auto& backend = *static_cast<Backend*>(self->context);
  backend.rows = nullptr;
  try {
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
      const ggml_tensor* node = ggml_graph_node(graph, i);
      if (!(node->flags & GGML_TENSOR_FLAG_COMPUTE)) continue;
      if (node->op == GGML_OP_FLASH_ATTN_EXT) backend.attention.compute(node, backend.n_threads, any_rows);
      else if (node->op == GGML_OP_GLU) gate_rows(backend, node);
      else if (node->op == GGML_OP_MUL_MAT) i = multiply(backend, graph, i);
    }
  } catch (const std::bad_alloc&) {
    return GGML_STATUS_ALLOC_FAILED;
  } catch (const std::exception&) {
    return GGML_STATUS_FAILED;
  }
  return GGML_STATUS_SUCCESS;
}

void read_tensor(ggml_backend_t self, const ggml_tensor* tensor, void* to, size_t offset, size_t size) {
  const char* from = static_cast<const char*>(tensor->data) + offset;
  if (in_place && std::strcmp(tensor->name, kLogits) == 0) {
    in_place->take({reinterpret_cast<const float*>(from), size / sizeof(float)});
    return;
  }
  const auto n = static_cast<int64_t>(size);
#pragma omp parallel for schedule(static) num_threads(static_cast<Backend*>(self->context)->n_threads) if (n > 2 * kCopiedAtOnce)
  for (int64_t at = 0; at < n; at += kCopiedAtOnce)
    std::memcpy(static_cast<char*>(to) + at, from + at, static_cast<size_t>(std::min(n - at, kCopiedAtOnce)));
}

void set_n_threads(ggml_backend_t self, int n) { static_cast<Backend*>(self->context)->n_threads = n; }

ggml_backend_t create(ggml_backend_dev_t device, const char*) {
  static ggml_guid guid = {0x71, 0x65, 0x76, 0x61, 0x6c, 0x2d, 0x6d, 0x61, 0x74, 0x72, 0x69, 0x78, 0x2d, 0x31, 0x00, 0x01};
  ggml_backend_i calls{};
  calls.get_name = [](ggml_backend_t) { return kName; };
  calls.free = [](ggml_backend_t self) {
    delete static_cast<Backend*>(self->context);
    delete self;
  };
  calls.get_tensor_async = read_tensor;
  calls.graph_compute = compute;
  return new ggml_backend{&guid, calls, device, new Backend};
}

bool supports(ggml_backend_dev_t, const ggml_tensor* op) {
  switch (op->op) {
    case GGML_OP_NONE:
    case GGML_OP_RESHAPE:
    case GGML_OP_VIEW:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE:
      return true;
    case GGML_OP_MUL_MAT:
      return can_multiply(op);
    case GGML_OP_GLU:
      return can_gate(op);
    case GGML_OP_FLASH_ATTN_EXT:
      return Attention::can_compute(op, any_rows);
    default:
      return false;
  }
}

ggml_backend_dev_t device_of(ggml_backend_reg_t owner, size_t) {
  static ggml_backend_device device = [owner] {
    ggml_backend_device_i calls{};
    calls.get_name = [](ggml_backend_dev_t) { return kName; };
    calls.get_description = calls.get_name;
    calls.get_memory = [](ggml_backend_dev_t, size_t* free, size_t* total) { *free = *total = 0; };
    calls.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_ACCEL; };
    calls.get_props = [](ggml_backend_dev_t, ggml_backend_dev_props* props) {
      *props = {};
      props->name = props->description = kName;
      props->type = GGML_BACKEND_DEVICE_TYPE_ACCEL;
      props->caps.buffer_from_host_ptr = true;
      props->caps.mmap_support = true;
    };
    calls.init_backend = create;
    calls.get_buffer_type = [](ggml_backend_dev_t) { return ggml_backend_cpu_buffer_type(); };
    calls.buffer_from_host_ptr = [](ggml_backend_dev_t, void* data, size_t size, size_t) {
      return ggml_backend_cpu_buffer_from_ptr(data, size);
    };
    calls.supports_op = supports;
    calls.supports_buft = [](ggml_backend_dev_t, ggml_backend_buffer_type_t type) { return ggml_backend_buft_is_host(type); };
    return ggml_backend_device{calls, owner, nullptr};
  }();
  return &device;
}

ggml_backend_reg_t registry() {
  static ggml_backend_reg instance = [] {
    ggml_backend_reg_i calls{};
    calls.get_name = [](ggml_backend_reg_t) { return kName; };
    calls.get_device_count = [](ggml_backend_reg_t) -> size_t { return 1; };
    calls.get_device = device_of;
    calls.get_proc_address = [](ggml_backend_reg_t, const char* name) -> void* {
      return std::strcmp(name, "ggml_backend_set_n_threads") == 0 ? reinterpret_cast<void*>(set_n_threads) : nullptr;
    };
    return ggml_backend_reg{GGML_BACKEND_API_VERSION, calls, nullptr};
  }();
  return &instance;
}

}  // namespace

void register_matrix_backend() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Beside GPUs it would have nothing to do, and keep llama.cpp from pipelining over several of them.
    const bool gpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU) != nullptr;
    if (!gpu && (!MatrixProducts::version().empty() || has_tile_product() || has_fast_ordered_product())) ggml_backend_register(registry());
  });
}

bool matrix_backend_attends() { return ggml_backend_reg_by_name(kName) && has_fast_ordered_product(); }

bool matrix_backend_expands() {
  constexpr int64_t k = 64;
  return ggml_backend_reg_by_name(kName) &&
         (has_tile_product() || MatrixProducts::shared().find({.bf16 = true, .m = k, .n = k, .k = k, .a_stride = k, .b_stride = k}));
}

std::string matrix_backend_kernels() { return has_tile_product() ? "AMX" : MatrixProducts::version(); }

int64_t matrix_backend_products() { return n_products.load(std::memory_order_relaxed); }
int64_t matrix_backend_gated() { return n_gated.load(std::memory_order_relaxed); }
int64_t matrix_backend_in_place() { return n_in_place.load(std::memory_order_relaxed); }

AnyRows::AnyRows(bool on) : before_(any_rows) { any_rows = on; }
AnyRows::~AnyRows() { any_rows = before_; }

LogitsInPlace::LogitsInPlace(bool on) : before_(in_place) { in_place = on ? this : nullptr; }
LogitsInPlace::~LogitsInPlace() { in_place = before_; }

void LogitsInPlace::take(std::span<const float> logits) {
  if (!logits_.empty()) throw std::runtime_error("llama.cpp read the logits of two micro-batches where one was expected");
  logits_ = logits;
  n_in_place.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace qeval
