
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "llama.h"
#include "qeval/core/gguf_parts.h"
#include "qeval/engine/llama/gguf_file.h"
#include "qeval/engine/llama/llama_engine.h"
#include "qeval/util/ascii.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

// Of a value of each gguf_type in bytes; 0: strings and arrays.
constexpr size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

// Bytes of a scalar or numeric array; strings one after the other with their lengths.
void hash_value(const gguf_context* file, int64_t id, Sha256& hash) {
  const gguf_type type = gguf_get_kv_type(file, id);
  if (type == GGUF_TYPE_STRING) {
    hash.update(gguf_get_val_str(file, id));
  } else if (type == GGUF_TYPE_ARRAY && gguf_get_arr_type(file, id) == GGUF_TYPE_STRING) {
    for (size_t i = 0; i < gguf_get_arr_n(file, id); ++i) {
      const std::string_view item = gguf_get_arr_str(file, id, i);
      hash.update(std::to_string(item.size()) + ":");
      hash.update(item);
    }
  } else if (type == GGUF_TYPE_ARRAY) {
    const auto item = static_cast<size_t>(gguf_get_arr_type(file, id));
    if (item < std::size(kSizes) && kSizes[item] > 0 && gguf_get_arr_n(file, id) > 0)
      hash.update({static_cast<const char*>(gguf_get_arr_data(file, id)), gguf_get_arr_n(file, id) * kSizes[item]});
  } else {
    if (static_cast<size_t>(type) < std::size(kSizes))
      hash.update({static_cast<const char*>(gguf_get_val_data(file, id)), kSizes[type]});
  }
}

std::string tokenizer_hash(const gguf_context* file) {
  Sha256 hash;
  for (int64_t id = 0; id < gguf_get_n_kv(file); ++id) {
    const std::string key = gguf_get_key(file, id);
    if (key.rfind("tokenizer.ggml.", 0) != 0) continue;
    hash.update(key + "=");
    hash_value(file, id, hash);
    hash.update("\n");
  }
  return hash.hex();
}

// The type that holds most of the matrix weights, in the words of file names: F32, BF16, Q8_0, Q4_K …
std::string dominant_type(const std::map<ggml_type, int64_t>& elements) {
  ggml_type best = GGML_TYPE_F32;
  int64_t most = -1;
  for (const auto& [type, n] : elements)
    if (n > most) best = type, most = n;
  return upper_ascii(ggml_type_name(best));
}

// "" where the file does not say.
std::string declared_type(const gguf_context* file) {
  const int64_t id = gguf_find_key(file, "general.file_type");
  if (id < 0 || gguf_get_kv_type(file, id) != GGUF_TYPE_UINT32) return "";
  std::string name = llama_ftype_name(static_cast<llama_ftype>(gguf_get_val_u32(file, id)));
  if (name.find("unknown") != std::string::npos) return "";
  if (name.rfind("all ", 0) == 0) name.erase(0, 4);
  const size_t dash = name.find(" - ");
  if (dash == std::string::npos) return name;
  const std::string size = name.substr(dash + 3);  // "Q4_K - Medium" is known as Q4_K_M, "Q2_K - Medium" as Q2_K
  name.resize(dash);
  if (size == "Small" || size == "Large" || (size == "Medium" && name != "Q2_K")) name += std::string("_") + size[0];
  return name;
}

}  // namespace

Result<WeightsIdentity> inspect_gguf(const std::string& path) {
  WeightsIdentity out;
  out.source = path;
  std::map<ggml_type, int64_t> elements;
  int64_t n_params = 0;
  const std::vector<std::string> parts = gguf_parts(path);
  for (size_t i = 0; i < parts.size(); ++i) {
    std::error_code error;
    const auto size = std::filesystem::file_size(parts[i], error);
    if (error && parts.size() > 1)
      return bad_input(fmt::format("{}: part {} of {}: {}: {}", path, i + 1, parts.size(), parts[i], error.message()));
    if (error) return bad_input(parts[i] + ": " + error.message());
    out.size_bytes += static_cast<int64_t>(size);
    QEVAL_TRY(Gguf file, open_gguf(parts[i]));
    uint64_t end = gguf_get_data_offset(file.get());
    for (int64_t t = 0; t < gguf_get_n_tensors(file.get()); ++t) {
      const int64_t* ne = gguf_get_tensor_ne(file.get(), t);
      const int64_t n = ne[0] * ne[1] * ne[2] * ne[3];
      n_params += n;
      if (ne[1] > 1) elements[gguf_get_tensor_type(file.get(), t)] += n;
      end = std::max<uint64_t>(end, gguf_get_data_offset(file.get()) + gguf_get_tensor_offset(file.get(), t) +
                                        gguf_get_tensor_size(file.get(), t));
    }
    if (end > size)
      return bad_input(fmt::format("{}: the file is truncated: {} bytes of at least {}", parts[i], size, end));
    if (i > 0) continue;
    out.architecture = gguf_text(file.get(), "general.architecture");
    out.name = gguf_text(file.get(), "general.name");
    out.tokenizer_hash = tokenizer_hash(file.get());
    const std::string chat_template = gguf_text(file.get(), "tokenizer.chat_template");
    out.offers_tools = chat_template.find("tools") != std::string::npos;
    out.chat_template_hash = chat_template.empty() ? "" : sha256_hex(chat_template);
    out.quantization = declared_type(file.get());
  }
  if (out.architecture.empty()) return bad_input(path + ": the file names no architecture, so it is not a model");
  if (out.quantization.empty()) out.quantization = dominant_type(elements);
  out.params_b = static_cast<double>(n_params) / 1e9;
  return out;
}

}  // namespace qeval
