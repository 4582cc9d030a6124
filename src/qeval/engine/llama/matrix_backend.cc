#include "qeval/engine/llama/matrix_backend.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "qeval/engine/llama/attention.h"
#include "qeval/engine/llama/matrix_products.h"
#include "qeval/engine/llama/ordered_product.h"

namespace qeval {
namespace {

constexpr const char* kName = "oneDNN";
// Fewer rows go to ggml: a change of back ends costs tens of microseconds, and weights are read once either way.
constexpr int64_t kLeastRows = 32;
constexpr int64_t kLeastColumns = 32;
constexpr int64_t kLeastSums = int64_t{1} << 22;       // m * n * k
constexpr int64_t kPaddedColumns = 4096;               // of a result with more rows than wanted, at a time
// Quantised weights that are BF16 at a time, 8 MB; of larger tensors fewer, as their results pass through the cache too: oneDNN 2.6 has no fast
// kernel for a result with gaps.
constexpr int64_t kMostExpanded = int64_t{4} << 20, kExpandedPart = int64_t{1} << 20;

thread_local int64_t rows_alike = 0;  // of AnyRows

// Quantised weights are multiplied as BF16.
bool is_expanded(const ggml_tensor* weights) { return ggml_is_quantized(weights->type); }

// The product with `n` rows of weights. Rows of activations are added where their number would decide the order of sums.
ProductShape shape_of(const ggml_tensor* dst, int64_t n) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  ProductShape shape;
  shape.bf16 = weights->type != GGML_TYPE_F32;
  shape.m = rows->ne[1];
  shape.n = n;
  shape.k = weights->ne[0];
  shape.a_stride = shape.bf16 ? shape.k : static_cast<int64_t>(rows->nb[1] / sizeof(float));
  shape.b_stride = is_expanded(weights) ? shape.k : static_cast<int64_t>(weights->nb[1] / ggml_type_size(weights->type));
  if (rows_alike > 0) shape.m = std::max(shape.m, MatrixProducts::order_depends_on_rows(shape) ? rows_alike : MatrixProducts::least_rows_alike(shape));
  return shape;
}

// Rows of weights that are multiplied at once.
int64_t rows_at_once(const ggml_tensor* dst) {
  const ggml_tensor* weights = dst->src[0];
  const int64_t n = weights->ne[1], k = weights->ne[0];
  if (is_expanded(weights) && n * k > kMostExpanded) return std::min(n, std::max(2 * kLeastColumns, kExpandedPart / k / kLeastColumns * kLeastColumns));
  const ProductShape whole = shape_of(dst, n);
  const bool padded = rows_alike > 0 && (whole.m > dst->src[1]->ne[1] || MatrixProducts::order_depends_on_rows(whole));
  return padded ? std::min(n, kPaddedColumns) : n;
}

bool can_multiply(const ggml_tensor* dst) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  if (ggml_is_empty(dst)) return false;  // no row of logits is read
  if (weights->type != GGML_TYPE_BF16 && weights->type != GGML_TYPE_F32 && !is_expanded(weights)) return false;
  if (is_expanded(weights) && !ggml_get_type_traits(weights->type)->to_float) return false;
  if (rows->type != GGML_TYPE_F32 || dst->type != GGML_TYPE_F32) return false;
  if (dst->op_params[1] == GGML_HINT_SRC0_IS_HADAMARD) return false;
  if (weights->ne[1] < kLeastColumns || weights->ne[0] < kLeastColumns) return false;
  const bool worth = rows->ne[1] >= kLeastRows && rows->ne[1] * weights->ne[1] * weights->ne[0] >= kLeastSums;
  if (!worth && rows_alike == 0) return false;
  if (weights->nb[0] != ggml_type_size(weights->type) || rows->nb[0] != 4 || !ggml_is_contiguous(dst)) return false;
  if (weights->nb[1] < ggml_row_size(weights->type, weights->ne[0]) || rows->nb[1] % 4 != 0 || rows->nb[1] < 4 * static_cast<size_t>(rows->ne[0]))
    return false;
  const int64_t at_once = rows_at_once(dst), rest = weights->ne[1] % at_once;
  MatrixProducts& products = MatrixProducts::shared();
  return products.find(shape_of(dst, at_once)) && (rest == 0 || products.find(shape_of(dst, rest)));
}

struct Backend {
  int n_threads = GGML_DEFAULT_N_THREADS;
  std::vector<uint16_t> rounded;   // activations as BF16
  std::vector<uint16_t> expanded;  // weights as BF16
  std::vector<float> rows;         // of weights, one a thread
  std::vector<float> part;         // of a result
  Attention attention;
};

ggml_bf16_t* as_bf16(std::vector<uint16_t>& values, int64_t at) { return reinterpret_cast<ggml_bf16_t*>(values.data()) + at; }

// With room behind them for the rows that are added to the last `m`, to make them `padded`.
void round_rows(Backend& backend, const ggml_tensor* rows, int64_t padded) {
  const int64_t m = rows->ne[1], k = rows->ne[0];
  backend.rounded.resize(static_cast<size_t>((m * rows->ne[2] * rows->ne[3] + padded - m) * k));
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
  const auto to_float = ggml_get_type_traits(weights->type)->to_float;
  backend.expanded.resize(static_cast<size_t>(n * k));
  backend.rows.resize(static_cast<size_t>(k * backend.n_threads));
  std::atomic<int> n_begun = 0;
#pragma omp parallel num_threads(backend.n_threads)
  {
    float* row = backend.rows.data() + n_begun++ * k;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < n; ++i) {
      to_float(from + static_cast<size_t>(i) * weights->nb[1], row, k);
      ggml_cpu_fp32_to_bf16(row, as_bf16(backend.expanded, i * k), k);
    }
  }
  return backend.expanded.data();
}

void copy_part(const Backend& backend, int64_t m, int64_t n, char* to, size_t stride) {
#pragma omp parallel for schedule(static) num_threads(backend.n_threads)
  for (int64_t i = 0; i < m; ++i) std::memcpy(to + static_cast<size_t>(i) * stride, backend.part.data() + i * n, static_cast<size_t>(n) * sizeof(float));
}

void multiply(Backend& backend, const ggml_tensor* dst, bool rounded_already) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  const bool bf16 = weights->type != GGML_TYPE_F32;
  if (bf16 && !rounded_already) round_rows(backend, rows, shape_of(dst, weights->ne[1]).m);
  const int64_t at_once = rows_at_once(dst);
  const int64_t share2 = rows->ne[2] / weights->ne[2], share3 = rows->ne[3] / weights->ne[3];
  for (int64_t i3 = 0; i3 < rows->ne[3]; ++i3)
    for (int64_t i2 = 0; i2 < rows->ne[2]; ++i2) {
      void* a = bf16 ? static_cast<void*>(as_bf16(backend.rounded, (i3 * rows->ne[2] + i2) * rows->ne[1] * rows->ne[0]))
                     : static_cast<char*>(rows->data) + i2 * rows->nb[2] + i3 * rows->nb[3];
      char* b = static_cast<char*>(weights->data) + (i2 / share2) * weights->nb[2] + (i3 / share3) * weights->nb[3];
      char* c = static_cast<char*>(dst->data) + i2 * dst->nb[2] + i3 * dst->nb[3];
      for (int64_t first = 0; first < weights->ne[1]; first += at_once) {
        const int64_t n = std::min(at_once, weights->ne[1] - first);
        void* part_of_b = b + static_cast<size_t>(first) * weights->nb[1];
        if (is_expanded(weights)) part_of_b = expand(backend, weights, b + static_cast<size_t>(first) * weights->nb[1], n);
        const ProductShape shape = shape_of(dst, n);
        const auto product = MatrixProducts::shared().find(shape);
        if (!product) throw std::runtime_error("oneDNN has no product for a part of the weights");
        const bool whole = n == weights->ne[1] && shape.m == rows->ne[1];
        if (!whole) backend.part.resize(static_cast<size_t>(shape.m * n));
        MatrixProducts::shared().run(*product, a, part_of_b, whole ? static_cast<void*>(c) : backend.part.data(), backend.n_threads);
        if (!whole) copy_part(backend, rows->ne[1], n, c + static_cast<size_t>(first) * sizeof(float), dst->nb[1]);
      }
    }
}

ggml_status compute(ggml_backend_t self, ggml_cgraph* graph) {
  auto& backend = *static_cast<Backend*>(self->context);
  const ggml_tensor* rounded = nullptr;  // whose rows backend.rounded holds
  try {
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
      const ggml_tensor* node = ggml_graph_node(graph, i);
      if (!(node->flags & GGML_TENSOR_FLAG_COMPUTE)) continue;
      if (node->op == GGML_OP_FLASH_ATTN_EXT) {
        backend.attention.compute(node, backend.n_threads, rows_alike > 0);
      } else if (node->op == GGML_OP_MUL_MAT) {
        multiply(backend, node, node->src[1] == rounded);
        rounded = node->src[0]->type != GGML_TYPE_F32 ? node->src[1] : rounded;
      }
    }
  } catch (const std::bad_alloc&) {
    return GGML_STATUS_ALLOC_FAILED;
  } catch (const std::exception&) {
    return GGML_STATUS_FAILED;
  }
  return GGML_STATUS_SUCCESS;
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
    case GGML_OP_FLASH_ATTN_EXT:
      return Attention::can_compute(op, rows_alike > 0);
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
    if (!gpu && (!MatrixProducts::version().empty() || has_fast_ordered_product())) ggml_backend_register(registry());
  });
}

bool matrix_backend_attends() { return ggml_backend_reg_by_name(kName) && has_fast_ordered_product(); }

bool matrix_backend_expands() {
  constexpr int64_t k = 64;
  return ggml_backend_reg_by_name(kName) &&
         MatrixProducts::shared().find({.bf16 = true, .m = k, .n = k, .k = k, .a_stride = k, .b_stride = k}) != nullptr;
}

AnyRows::AnyRows(int most) : before_(rows_alike) { rows_alike = most; }
AnyRows::~AnyRows() { rows_alike = before_; }

}  // namespace qeval
