#include "qeval/engine/llama/matrix_backend.h"

#include <cstring>
#include <mutex>
#include <vector>

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "qeval/engine/llama/attention.h"
#include "qeval/engine/llama/matrix_products.h"

namespace qeval {
namespace {

constexpr const char* kName = "oneDNN";
// Fewer rows go to ggml: a change of back ends costs tens of microseconds, and weights are read once either way.
constexpr int64_t kLeastRows = 32;
constexpr int64_t kLeastColumns = 32;
constexpr int64_t kLeastSums = int64_t{1} << 22;  // m * n * k

ProductShape shape_of(const ggml_tensor* dst) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  const bool bf16 = weights->type == GGML_TYPE_BF16;
  const auto weight_size = static_cast<int64_t>(ggml_type_size(weights->type));
  ProductShape shape;
  shape.bf16 = bf16;
  shape.m = rows->ne[1];
  shape.n = weights->ne[1];
  shape.k = weights->ne[0];
  shape.a_stride = bf16 ? shape.k : static_cast<int64_t>(rows->nb[1]) / 4;
  shape.b_stride = static_cast<int64_t>(weights->nb[1]) / weight_size;
  return shape;
}

bool can_multiply(const ggml_tensor* dst) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  if (weights->type != GGML_TYPE_BF16 && weights->type != GGML_TYPE_F32) return false;
  if (rows->type != GGML_TYPE_F32 || dst->type != GGML_TYPE_F32) return false;
  if (dst->op_params[1] == GGML_HINT_SRC0_IS_HADAMARD) return false;
  if (rows->ne[1] < kLeastRows || weights->ne[1] < kLeastColumns || weights->ne[0] < kLeastColumns) return false;
  if (rows->ne[1] * weights->ne[1] * weights->ne[0] < kLeastSums) return false;
  if (weights->nb[0] != ggml_type_size(weights->type) || rows->nb[0] != 4 || !ggml_is_contiguous(dst)) return false;
  if (weights->nb[1] < weights->nb[0] * static_cast<size_t>(weights->ne[0]) || rows->nb[1] % 4 != 0 ||
      rows->nb[1] < 4 * static_cast<size_t>(rows->ne[0]))
    return false;
  return MatrixProducts::shared().find(shape_of(dst)) != nullptr;
}

struct Backend {
  int n_threads = GGML_DEFAULT_N_THREADS;
  std::vector<uint16_t> rounded;  // activations as BF16
  Attention attention;
};

void multiply(Backend& backend, const ggml_tensor* dst, bool rounded_already) {
  const ggml_tensor* weights = dst->src[0];
  const ggml_tensor* rows = dst->src[1];
  const ProductShape shape = shape_of(dst);
  const auto product = MatrixProducts::shared().find(shape);
  const int64_t n_rounded = shape.m * shape.k;
  if (shape.bf16 && !rounded_already) {
    backend.rounded.resize(static_cast<size_t>(n_rounded * rows->ne[2] * rows->ne[3]));
#pragma omp parallel for collapse(3) schedule(static) num_threads(backend.n_threads)
    for (int64_t i3 = 0; i3 < rows->ne[3]; ++i3)
      for (int64_t i2 = 0; i2 < rows->ne[2]; ++i2)
        for (int64_t i1 = 0; i1 < shape.m; ++i1)
          ggml_cpu_fp32_to_bf16(
              reinterpret_cast<const float*>(static_cast<const char*>(rows->data) + i1 * rows->nb[1] + i2 * rows->nb[2] + i3 * rows->nb[3]),
              reinterpret_cast<ggml_bf16_t*>(backend.rounded.data()) + ((i3 * rows->ne[2] + i2) * shape.m + i1) * shape.k, shape.k);
  }
  const int64_t share2 = rows->ne[2] / weights->ne[2], share3 = rows->ne[3] / weights->ne[3];
  for (int64_t i3 = 0; i3 < rows->ne[3]; ++i3)
    for (int64_t i2 = 0; i2 < rows->ne[2]; ++i2) {
      void* a = shape.bf16 ? static_cast<void*>(backend.rounded.data() + (i3 * rows->ne[2] + i2) * n_rounded)
                           : static_cast<char*>(rows->data) + i2 * rows->nb[2] + i3 * rows->nb[3];
      void* b = static_cast<char*>(weights->data) + (i2 / share2) * weights->nb[2] + (i3 / share3) * weights->nb[3];
      void* c = static_cast<char*>(dst->data) + i2 * dst->nb[2] + i3 * dst->nb[3];
      MatrixProducts::shared().run(*product, a, b, c, backend.n_threads);
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
        backend.attention.compute(node, backend.n_threads);
      } else if (node->op == GGML_OP_MUL_MAT) {
        multiply(backend, node, node->src[1] == rounded);
        rounded = node->src[0]->type == GGML_TYPE_BF16 ? node->src[1] : rounded;
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
      return Attention::can_compute(op);
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
    if (!gpu && !MatrixProducts::version().empty()) ggml_backend_register(registry());
  });
}

bool matrix_backend_attends() { return ggml_backend_reg_by_name(kName) && MatrixProducts::shared().fast_in_f32(); }

}  // namespace qeval
