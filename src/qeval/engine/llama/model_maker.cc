#include "qeval/engine/llama/model_maker.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "ggml.h"
#include "gguf.h"
#include "llama.h"
#include "qeval/engine/llama/llama_log.h"
#include "qeval/engine/llama/synthetic_shape.h"
#include "qeval/engine/llama/synthetic_vocab.h"
#include "qeval/util/ascii.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

enum class Fill { matrix, gain, bias, decay, convolution };
struct Tensor {
  std::string name;
  std::vector<int64_t> ne;  // first dimension runs fastest
  Fill fill = Fill::matrix;
};

class TensorList {
 public:
  explicit TensorList(const SyntheticShape& shape) : s_(shape) {
    add("token_embd.weight", {s_.d_model, s_.vocab}, Fill::matrix);
    add("output_norm.weight", {s_.d_model}, Fill::gain);
    if (!s_.tied) add("output.weight", {s_.d_model, s_.vocab}, Fill::matrix);
    for (int layer = 0; layer < s_.n_layers; ++layer) {
      block_ = fmt::format("blk.{}.", layer);
      in_block("attn_norm.weight", {s_.d_model}, Fill::gain);
      if (s_.keeps_kv(layer)) attention();
      else delta_net();
      in_block(s_.hybrid() ? "post_attention_norm.weight" : "ffn_norm.weight", {s_.d_model}, Fill::gain);
      feed_forward();
    }
  }
  const std::vector<Tensor>& all() const { return tensors_; }

 private:
  void add(std::string name, std::vector<int64_t> ne, Fill fill) { tensors_.push_back({std::move(name), std::move(ne), fill}); }
  void in_block(const char* name, std::vector<int64_t> ne, Fill fill = Fill::matrix) { add(block_ + name, std::move(ne), fill); }

  void attention() {
    const int64_t d = s_.d_model, q = int64_t{s_.n_heads} * s_.head_dim, kv = int64_t{s_.n_kv_heads} * s_.head_dim;
    in_block("attn_q.weight", {d, s_.hybrid() ? 2 * q : q});  // hybrid: each head's query and output gate
    in_block("attn_k.weight", {d, kv});
    in_block("attn_v.weight", {d, kv});
    in_block("attn_output.weight", {q, d});
    if (s_.architecture == "qwen2") {
      in_block("attn_q.bias", {q}, Fill::bias);
      in_block("attn_k.bias", {kv}, Fill::bias);
      in_block("attn_v.bias", {kv}, Fill::bias);
    } else {
      in_block("attn_q_norm.weight", {s_.head_dim}, Fill::gain);
      in_block("attn_k_norm.weight", {s_.head_dim}, Fill::gain);
    }
  }

  void delta_net() {
    const int64_t d = s_.d_model, keys = int64_t{s_.state_dim} * s_.state_groups, values = int64_t{s_.state_dim} * s_.state_heads;
    in_block("attn_qkv.weight", {d, 2 * keys + values});
    in_block("attn_gate.weight", {d, values});
    in_block("ssm_conv1d.weight", {s_.conv_kernel, 2 * keys + values}, Fill::convolution);
    in_block("ssm_dt.bias", {s_.state_heads}, Fill::bias);
    in_block("ssm_a", {s_.state_heads}, Fill::decay);
    in_block("ssm_beta.weight", {d, s_.state_heads});
    in_block("ssm_alpha.weight", {d, s_.state_heads});
    in_block("ssm_norm.weight", {s_.state_dim}, Fill::gain);
    in_block("ssm_out.weight", {values, d});
  }

  void feed_forward() {
    const int64_t d = s_.d_model, ff = s_.d_ff, n = s_.n_experts;
    if (s_.architecture == "qwen3moe") {
      in_block("ffn_gate_inp.weight", {d, n});
      in_block("ffn_gate_exps.weight", {d, ff, n});
      in_block("ffn_down_exps.weight", {ff, d, n});
      in_block("ffn_up_exps.weight", {d, ff, n});
    } else {
      in_block("ffn_gate.weight", {d, ff});
      in_block("ffn_down.weight", {ff, d});
      in_block("ffn_up.weight", {d, ff});
    }
  }

  const SyntheticShape& s_;
  std::string block_;
  std::vector<Tensor> tensors_;
};

void write_shape(gguf_context* file, const SyntheticShape& s, const SyntheticModelOptions& options) {
  auto u32 = [&](const char* key, int value) {
    gguf_set_val_u32(file, fmt::format("{}.{}", s.architecture, key).c_str(), static_cast<uint32_t>(value));
  };
  gguf_set_val_str(file, "general.architecture", s.architecture.c_str());
  gguf_set_val_str(file, "general.name", fmt::format("synthetic {}", options.like.id.empty() ? s.architecture : options.like.id).c_str());
  u32("context_length", s.context);
  u32("embedding_length", s.d_model);
  u32("block_count", s.n_layers);
  u32("feed_forward_length", s.d_ff);
  u32("attention.head_count", s.n_heads);
  u32("attention.head_count_kv", s.n_kv_heads);
  u32("attention.key_length", s.head_dim);
  u32("attention.value_length", s.head_dim);
  gguf_set_val_f32(file, fmt::format("{}.attention.layer_norm_rms_epsilon", s.architecture).c_str(), 1e-6f);
  gguf_set_val_f32(file, fmt::format("{}.rope.freq_base", s.architecture).c_str(), 1e6f);
  if (s.architecture == "qwen3moe") {
    u32("expert_count", s.n_experts);
    u32("expert_used_count", s.n_experts_used);
    u32("expert_feed_forward_length", s.d_ff);
  }
  if (!s.hybrid()) return;
  const int rotated = s.head_dim / 4, third = (rotated / 2 + 2) / 3;
  const int32_t sections[4] = {third, third, rotated / 2 - 2 * third, 0};
  u32("rope.dimension_count", rotated);
  gguf_set_arr_data(file, fmt::format("{}.rope.dimension_sections", s.architecture).c_str(), GGUF_TYPE_INT32, sections, 4);
  u32("ssm.conv_kernel", s.conv_kernel);
  u32("ssm.inner_size", s.state_dim * s.state_heads);
  u32("ssm.state_size", s.state_dim);
  u32("ssm.time_step_rank", s.state_heads);
  u32("ssm.group_count", s.state_groups);
  u32("full_attention_interval", 4);
}

// splitmix64 (Steele, Lea, Flood 2014); the sum of four uniforms stands in for a normal draw.
class Noise {
 public:
  explicit Noise(uint64_t seed) : state_(seed) {}
  float normal() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    const float sum = static_cast<float>((z & 0xFFFF) + ((z >> 16) & 0xFFFF) + ((z >> 32) & 0xFFFF) + (z >> 48));
    return (sum / 65536.0f - 2.0f) * 1.7320508f;
  }

 private:
  uint64_t state_;
};

float draw(Noise& noise, const Tensor& tensor) {
  const float x = noise.normal();
  switch (tensor.fill) {
    case Fill::matrix: return x * 1.5f / std::sqrt(static_cast<float>(tensor.ne[0]));
    case Fill::gain: return 1.0f + 0.1f * x;
    case Fill::bias: return 0.1f * x;
    case Fill::decay: return -0.5f - 0.2f * std::fabs(x);
    case Fill::convolution: return 0.5f * x;
  }
  return 0;
}

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

// Data in the order of the metadata, each tensor padded to the alignment, in pieces: a model need not fit in memory.
Status write_data(FILE* out, const std::vector<Tensor>& tensors, ggml_type matrix_type, size_t alignment,
                  const SyntheticModelOptions& options) {
  constexpr int64_t kPiece = 1 << 16;
  std::vector<float> floats(kPiece);
  std::vector<char> bytes(kPiece * sizeof(float));
  int64_t n_total = 0, n_done = 0;
  auto count = [](const Tensor& t) {
    int64_t n = 1;
    for (int64_t dim : t.ne) n *= dim;
    return n;
  };
  for (const Tensor& tensor : tensors) n_total += count(tensor);
  for (const Tensor& tensor : tensors) {
    const ggml_type type = tensor.fill == Fill::matrix ? matrix_type : GGML_TYPE_F32;
    const std::string digest = sha256_hex(fmt::format("{}:{}", options.seed, tensor.name));
    Noise noise(std::stoull(digest.substr(0, 16), nullptr, 16));
    const int64_t n = count(tensor);
    for (int64_t at = 0; at < n; at += kPiece) {
      const int64_t piece = std::min(kPiece, n - at);
      for (int64_t i = 0; i < piece; ++i) floats[static_cast<size_t>(i)] = draw(noise, tensor);
      const char* data = reinterpret_cast<const char*>(floats.data());
      if (type == GGML_TYPE_F16) ggml_fp32_to_fp16_row(floats.data(), reinterpret_cast<ggml_fp16_t*>(bytes.data()), piece);
      if (type == GGML_TYPE_BF16) ggml_fp32_to_bf16_row_ref(floats.data(), reinterpret_cast<ggml_bf16_t*>(bytes.data()), piece);
      if (type != GGML_TYPE_F32) data = bytes.data();
      const size_t n_bytes = static_cast<size_t>(piece) * ggml_type_size(type);
      if (std::fwrite(data, 1, n_bytes, out) != n_bytes) return fail(ErrorKind::environment, "cannot write: disk full?");
      n_done += piece;
      if (options.progress && !options.progress(static_cast<float>(n_done) / static_cast<float>(n_total)))
        return fail(ErrorKind::interrupted, "stopped");
    }
    const size_t size = static_cast<size_t>(n) * ggml_type_size(type);
    const std::string padding((alignment - size % alignment) % alignment, '\0');
    if (std::fwrite(padding.data(), 1, padding.size(), out) != padding.size())
      return fail(ErrorKind::environment, "cannot write: disk full?");
  }
  return {};
}

Status write_model(const SyntheticModelOptions& options, ggml_type type, const std::string& path) {
  QEVAL_TRY(SyntheticShape shape, shape_of(options));
  std::unique_ptr<gguf_context, decltype(&gguf_free)> file(gguf_init_empty(), gguf_free);
  write_shape(file.get(), shape, options);
  QEVAL_TRY(shape.vocab, write_tokenizer(file.get(), options.vocab_gguf, shape.vocab));
  gguf_set_val_u32(file.get(), "general.file_type",
                   type == GGML_TYPE_F32 ? LLAMA_FTYPE_ALL_F32 : type == GGML_TYPE_F16 ? LLAMA_FTYPE_MOSTLY_F16 : LLAMA_FTYPE_MOSTLY_BF16);
  const TensorList list(shape);
  std::unique_ptr<ggml_context, decltype(&ggml_free)> meta(
      ggml_init({ggml_tensor_overhead() * (list.all().size() + 1), nullptr, true}), ggml_free);
  for (const Tensor& tensor : list.all()) {
    ggml_tensor* t = ggml_new_tensor(meta.get(), tensor.fill == Fill::matrix ? type : GGML_TYPE_F32,
                                     static_cast<int>(tensor.ne.size()), tensor.ne.data());
    ggml_set_name(t, tensor.name.c_str());
    gguf_add_tensor(file.get(), t);
  }
  File out(std::fopen(path.c_str(), "wb"), std::fclose);
  if (!out) return fail(ErrorKind::environment, path + ": cannot be written");
  if (!gguf_write_to_file_ptr(file.get(), out.get(), true)) return fail(ErrorKind::environment, path + ": cannot write: disk full?");
  if (Status status = write_data(out.get(), list.all(), type, gguf_get_alignment(file.get()), options); !status)
    return fail(status.error().in(path));
  if (std::fflush(out.get()) != 0) return fail(ErrorKind::environment, path + ": cannot write: disk full?");
  return {};
}

Result<llama_ftype> file_type(const std::string& name) {
  const std::pair<const char*, llama_ftype> known[] = {
      {"F32", LLAMA_FTYPE_ALL_F32},        {"F16", LLAMA_FTYPE_MOSTLY_F16},       {"BF16", LLAMA_FTYPE_MOSTLY_BF16},
      {"Q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},   {"Q6_K", LLAMA_FTYPE_MOSTLY_Q6_K},     {"Q5_K_M", LLAMA_FTYPE_MOSTLY_Q5_K_M},
      {"Q5_K_S", LLAMA_FTYPE_MOSTLY_Q5_K_S}, {"Q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},   {"Q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},
      {"Q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"Q4_K_S", LLAMA_FTYPE_MOSTLY_Q4_K_S}, {"Q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},
      {"Q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},   {"Q3_K_M", LLAMA_FTYPE_MOSTLY_Q3_K_M}, {"Q2_K", LLAMA_FTYPE_MOSTLY_Q2_K},
      {"IQ4_XS", LLAMA_FTYPE_MOSTLY_IQ4_XS}, {"IQ4_NL", LLAMA_FTYPE_MOSTLY_IQ4_NL}};
  std::string names;
  for (const auto& [text, type] : known) {
    if (upper_ascii(name) == text) return type;
    names += std::string(names.empty() ? "" : ", ") + text;
  }
  return bad_input(fmt::format("unknown weight type '{}'; known are {}", name, names));
}

std::string temporary_name(const std::string& path, const char* purpose) {
  return fmt::format("{}.{}.{}.tmp", path, purpose, getpid());
}

Status move_into_place(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  std::remove(from.c_str());
  return fail(ErrorKind::environment, to + ": cannot be written");
}

}  // namespace

Status make_synthetic_gguf(const SyntheticModelOptions& options, const std::string& path) {
  LlamaLog::install();
  QEVAL_CHECK(file_type(options.type));
  const std::string type = upper_ascii(options.type);
  const bool direct = type == "F32" || type == "F16" || type == "BF16";
  const ggml_type written = type == "F32" ? GGML_TYPE_F32 : type == "F16" ? GGML_TYPE_F16 : GGML_TYPE_BF16;
  const std::string raw = temporary_name(path, "raw");
  if (Status status = write_model(options, written, raw); !status) {
    std::remove(raw.c_str());
    return status;
  }
  if (direct) return move_into_place(raw, path);
  const Status status = requantise_gguf(raw, path, options.type);
  std::remove(raw.c_str());
  return status;
}

Status requantise_gguf(const std::string& in, const std::string& out, const std::string& type) {
  LlamaLog::install();
  if (!file_exists(in)) return bad_input(in + ": no such file");
  llama_model_quantize_params params = llama_model_quantize_default_params();
  QEVAL_TRY(params.ftype, file_type(type));
  params.allow_requantize = true;
  const std::string made = temporary_name(out, "quantised");
  const uint64_t mark = LlamaLog::mark();
  uint32_t code = 1;
  std::string why;
  try {
    code = llama_model_quantize(in.c_str(), made.c_str(), &params);
  } catch (const std::exception& e) {
    why = e.what();
  }
  if (code == 0) return move_into_place(made, out);
  std::remove(made.c_str());
  const std::string complaints = LlamaLog::complaints_since(mark);
  return bad_input(fmt::format("{}: cannot be written as {}\n{}{}", in, type, why, complaints));
}

}  // namespace qeval
