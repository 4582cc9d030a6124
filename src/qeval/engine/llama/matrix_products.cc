#include "qeval/engine/llama/matrix_products.h"

#ifndef QEVAL_WITH_ONEDNN

namespace qeval {

struct MatrixProducts::Product {};
MatrixProducts& MatrixProducts::shared() {
  static MatrixProducts instance;
  return instance;
}
std::shared_ptr<const MatrixProducts::Product> MatrixProducts::find(const ProductShape&) { return nullptr; }
void MatrixProducts::run(const Product&, void*, void*, void*, int) {}
std::string MatrixProducts::version() { return ""; }

}  // namespace qeval

#else

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "qeval/engine/llama/team_size.h"

namespace qeval {
namespace {

constexpr size_t kAlignment = 64;
// Enough for all that a graph of full micro-batches multiplies; the rows of logits differ with each one.
constexpr size_t kMostProducts = 128;

const dnnl::engine& cpu() {
  static const dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::matmul::primitive_desc describe(const ProductShape& s) {
  using dnnl::memory;
  const auto type = s.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::desc a({s.m, s.k}, type, memory::dims{s.a_stride, 1});
  const memory::desc b({s.k, s.n}, type, memory::dims{1, s.b_stride});
  const memory::desc c({s.m, s.n}, memory::data_type::f32, memory::dims{s.n, 1});
  // oneDNN's own scratchpad belongs to the thread that compiles; another one runs the product.
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(cpu(), a, b, c, attributes);
#else
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), attributes, cpu());
#endif
}

// Kernels that emulate BF16, or that are there to check others against, are slower than ggml's.
bool is_fast(const std::string& kernel, bool bf16) {
  return kernel.rfind("brg", 0) == 0 || (!bf16 && kernel.rfind("gemm:jit", 0) == 0);
}

}  // namespace

struct MatrixProducts::Product {
  explicit Product(const dnnl::matmul::primitive_desc& description)
      : a(description.src_desc()), b(description.weights_desc()), c(description.dst_desc()),
        scratchpad(description.scratchpad_desc()), primitive(description) {}
  dnnl::memory::desc a, b, c, scratchpad;
  dnnl::matmul primitive;
};

MatrixProducts& MatrixProducts::shared() {
  static auto* instance = [] {
    dnnl::set_primitive_cache_capacity(0);  // it would keep the same kernels a second time
    return new MatrixProducts;              // outlives every context
  }();
  return *instance;
}

std::shared_ptr<const MatrixProducts::Product> MatrixProducts::find(const ProductShape& shape) {
  std::lock_guard lock(mutex_);
  const uint64_t now = ++n_asked_;
  if (const auto found = products_.find(shape); found != products_.end()) {
    found->second.used = now;
    return found->second.product;
  }
  std::shared_ptr<const Product> product;
  try {
    const auto description = describe(shape);
    if (is_fast(description.impl_info_str(), shape.bf16)) product = std::make_shared<const Product>(description);
  } catch (const dnnl::error&) {  // not on this CPU
  }
  if (products_.size() >= kMostProducts)
    products_.erase(std::min_element(products_.begin(), products_.end(),
                                     [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  products_.emplace(shape, Kept{product, now});
  return product;
}

void MatrixProducts::run(const Product& product, void* a, void* b, void* c, int n_threads) {
  const TeamSize team(n_threads);
  thread_local dnnl::stream stream(cpu());
  thread_local std::vector<std::max_align_t> scratchpad;
  const size_t n_scratch = product.scratchpad.get_size() / sizeof(std::max_align_t) + kAlignment / sizeof(std::max_align_t) + 1;
  if (scratchpad.size() < n_scratch) scratchpad.resize(n_scratch);
  void* scratch = scratchpad.data();
  size_t room = scratchpad.size() * sizeof(std::max_align_t);
  std::align(kAlignment, product.scratchpad.get_size(), scratch, room);
  product.primitive.execute(stream, {{DNNL_ARG_SRC, dnnl::memory(product.a, cpu(), a)},
                                     {DNNL_ARG_WEIGHTS, dnnl::memory(product.b, cpu(), b)},
                                     {DNNL_ARG_DST, dnnl::memory(product.c, cpu(), c)},
                                     {DNNL_ARG_SCRATCHPAD, dnnl::memory(product.scratchpad, cpu(), scratch)}});
  stream.wait();
}

std::string MatrixProducts::version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace qeval

#endif
