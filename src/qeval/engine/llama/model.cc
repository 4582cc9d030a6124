#include "qeval/engine/llama/model.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <cstdlib>

#include "ggml-backend.h"
#include "qeval/core/gguf_parts.h"
#include "qeval/engine/llama/llama_log.h"
#include "qeval/engine/llama/matrix_backend.h"
#include "qeval/os/file_pages.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

bool forward_progress(float progress, void* user) {
  auto* callback = static_cast<const std::function<bool(float)>*>(user);
  return !*callback || (*callback)(progress);
}

// Qwen's HF tokenizers compose characters before they split (normalizer NFC); llama.cpp does not.
std::string compose(const std::string& text) {
  bool ascii = true;
  for (unsigned char c : text) ascii = ascii && c < 0x80;
  if (ascii) return text;
  utf8proc_uint8_t* out = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                              static_cast<utf8proc_ssize_t>(text.size()), &out,
                              static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::string composed = n >= 0 ? std::string(reinterpret_cast<char*>(out), static_cast<size_t>(n)) : text;
  std::free(out);
  return composed;
}

Error load_error(const std::string& path, uint64_t log_mark) {
  const std::string complaints = LlamaLog::complaints_since(log_mark);
  const bool memory = complaints.find("alloc") != std::string::npos || complaints.find("memory") != std::string::npos;
  Error error;
  error.kind = memory ? ErrorKind::environment : ErrorKind::bad_input;
  error.message = memory ? path + ": not enough memory for this model" : path + ": llama.cpp cannot load this file";
  if (!complaints.empty()) error.message += "\n" + complaints;
  return error;
}

Result<llama_model*> load_weights(const std::string& path, const llama_model_params& params) {
  const uint64_t mark = LlamaLog::mark();
  try {
    if (llama_model* model = llama_model_load_from_file(path.c_str(), params)) return model;
  } catch (const std::exception& e) {
    return bad_input(path + ": " + e.what());
  }
  return fail(load_error(path, mark));
}

}  // namespace

std::string model_meta(const llama_model* model, const std::string& key) {
  char small[256];
  const int32_t n = llama_model_meta_val_str(model, key.c_str(), small, sizeof small);
  if (n < 0) return "";
  if (static_cast<size_t>(n) < sizeof small) return small;
  std::string out(static_cast<size_t>(n) + 1, '\0');
  llama_model_meta_val_str(model, key.c_str(), out.data(), out.size());
  out.pop_back();
  return out;
}

Result<std::unique_ptr<LlamaModel>> LlamaModel::load(const LlamaOptions& options, bool quantised) {
  LlamaLog::install();
  if (!file_exists(options.model_path)) return bad_input(options.model_path + ": no such file");
  std::unique_ptr<LlamaModel> out(new LlamaModel);
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = options.n_gpu_layers;
  params.vocab_only = options.vocab_only;
  out->as_in_file_ = quantised && matrix_backend_expands();
  params.use_extra_bufts = !out->as_in_file_;
  bool aborted = false;
  std::function<bool(float)> progress = [&](float done) {
    aborted = options.progress && !options.progress(done);
    return !aborted;
  };
  params.progress_callback = forward_progress;
  params.progress_callback_user_data = &progress;
  auto weights = load_weights(options.model_path, params);
  if (aborted) return fail(ErrorKind::interrupted, options.model_path + ": loading was stopped");
  QEVAL_TRY(out->model_, std::move(weights));
  if (!options.vocab_only && (!llama_model_has_decoder(out->model_) || llama_model_has_encoder(out->model_)))
    return bad_input(options.model_path + ": not a decoder-only language model");
  out->path_ = options.model_path;
  out->read_vocab(options);
  if (out->n_vocab_ <= 0) return bad_input(options.model_path + ": the file holds no vocabulary");
  return out;
}

LlamaModel::~LlamaModel() {
  if (repacked_) llama_model_free(repacked_);
  if (model_) llama_model_free(model_);
}

Result<llama_model*> LlamaModel::for_few_rows() const {
  if (!as_in_file_) return model_;
  std::lock_guard lock(repacked_mutex_);
  if (repacked_) return repacked_;
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  // Most of the file is laid out anew. Mapped, it would be in memory beside that, and the first copy's pages once more until they are read again.
  params.load_mode = LLAMA_LOAD_MODE_NONE;
  for (const std::string& part : gguf_parts(path_)) release_mapped_pages(part);
  QEVAL_TRY(repacked_, load_weights(path_, params));
  return repacked_;
}

void LlamaModel::read_vocab(const LlamaOptions& options) {
  vocab_ = llama_model_get_vocab(model_);
  n_vocab_ = llama_vocab_n_tokens(vocab_);
  architecture_ = model_meta(model_, "general.architecture");
  on_gpu_ = llama_supports_gpu_offload() && options.n_gpu_layers != 0 &&
            ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU) != nullptr;
  const bool qwen = model_meta(model_, "tokenizer.ggml.pre").rfind("qwen", 0) == 0;
  const TokenId bos = llama_vocab_bos(vocab_), eos = llama_vocab_eos(vocab_);
  // Qwen has no BOS; what some of its files name so is the end of text.
  adds_bos_ = !qwen && bos != LLAMA_TOKEN_NULL && llama_vocab_get_add_bos(vocab_);
  composes_unicode_ = qwen;
  prefix_token_ = !qwen && bos != LLAMA_TOKEN_NULL ? bos : eos != LLAMA_TOKEN_NULL ? eos : 0;
  bos_text_ = adds_bos_ ? piece(bos, true) : "";
  for (TokenId token = 0; token < n_vocab_; ++token)
    if (llama_vocab_is_eog(vocab_, token)) stop_ids_.insert(token);
  for (int id : options.extra_stop_ids)
    if (id >= 0 && id < n_vocab_) stop_ids_.insert(id);
  const char* source = llama_model_chat_template(model_, nullptr);
  if (!source || !*source) return;
  const std::string bos_text = bos == LLAMA_TOKEN_NULL ? "" : piece(bos, true);
  const std::string eos_text = eos == LLAMA_TOKEN_NULL ? "" : piece(eos, true);
  auto parsed = ChatTemplate::parse(source, bos_text, eos_text);
  if (parsed) template_ = std::move(*parsed);
  else template_error_ = parsed.error().message;
}

std::vector<TokenId> LlamaModel::encode(const std::string& text, bool add_special, bool parse_special) const {
  const std::string composed = composes_unicode_ ? compose(text) : "";
  const std::string& input = composes_unicode_ ? composed : text;
  std::vector<TokenId> tokens;
  if (add_special && adds_bos_ && (bos_text_.empty() || input.rfind(bos_text_, 0) != 0))
    tokens.push_back(llama_vocab_bos(vocab_));
  if (input.empty()) return tokens;
  const size_t n_before = tokens.size();
  tokens.resize(n_before + input.size() + 8);
  auto run = [&] {
    return llama_tokenize(vocab_, input.data(), static_cast<int32_t>(input.size()), tokens.data() + n_before,
                          static_cast<int32_t>(tokens.size() - n_before), false, parse_special);
  };
  int32_t n = run();
  if (n < 0 && n != INT32_MIN) {
    tokens.resize(n_before + static_cast<size_t>(-n));
    n = run();
  }
  tokens.resize(n_before + static_cast<size_t>(std::max(n, 0)));
  return tokens;
}

std::string LlamaModel::piece(TokenId token, bool special) const {
  char small[128];
  int32_t n = llama_token_to_piece(vocab_, token, small, sizeof small, 0, special);
  if (n >= 0) return std::string(small, static_cast<size_t>(n));
  std::string out(static_cast<size_t>(-n), '\0');
  n = llama_token_to_piece(vocab_, token, out.data(), static_cast<int32_t>(out.size()), 0, special);
  out.resize(static_cast<size_t>(std::max(n, 0)));
  return out;
}

std::optional<TokenId> LlamaModel::control_token(const std::string& text) const {
  if (text.empty() || text.size() > 64) return std::nullopt;
  const std::vector<TokenId> tokens = encode(text, false, true);
  if (tokens.size() != 1 || !llama_vocab_is_control(vocab_, tokens[0])) return std::nullopt;
  return piece(tokens[0], true) == text ? std::optional(tokens[0]) : std::nullopt;
}

}  // namespace qeval
