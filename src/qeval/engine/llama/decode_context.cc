#include "qeval/engine/llama/decode_context.h"

#include <fmt/format.h>

#include <algorithm>

#include "llama-ext.h"
#include "qeval/core/llama_sizes.h"
#include "qeval/engine/llama/llama_log.h"
#include "qeval/engine/llama/matrix_backend.h"
#include "qeval/util/clock.h"

namespace qeval {

int Batch::add(TokenId token, int pos, llama_seq_id* seqs, int n_seqs, bool want_row) {
  token_.push_back(token);
  pos_.push_back(pos);
  n_seq_.push_back(n_seqs);
  seq_.push_back(seqs);
  want_.push_back(want_row);
  row_.push_back(want_row ? n_rows_ : -1);
  n_rows_ += want_row;
  return size() - 1;
}

void Batch::clear() {
  token_.clear();
  pos_.clear();
  n_seq_.clear();
  seq_.clear();
  want_.clear();
  row_.clear();
  n_rows_ = 0;
}

llama_batch Batch::view() {
  llama_batch out{};
  out.n_tokens = size();
  out.token = token_.data();
  out.pos = pos_.data();
  out.n_seq_id = n_seq_.data();
  out.seq_id = seq_.data();
  out.logits = want_.data();
  return out;
}

DecodeContext::DecodeContext(const LlamaModel& model, const ContextSettings& settings,
                             const std::atomic<uint64_t>* abort)
    : model_(model), settings_(settings), abort_(abort) {}

DecodeContext::~DecodeContext() { release(); }

void DecodeContext::release() {
  if (context_) llama_free(context_);
  context_ = nullptr;
  in_place_ = {};
  kv_bytes_ = compute_bytes_ = 0;
}

Status DecodeContext::create(const ContextShape& shape) {
  release();
  shape_ = shape;
  shape_.n_ctx_seq = padded_cells(shape.n_ctx_seq);
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(shape_.n_ctx_seq) * (shape.unified ? 1u : static_cast<uint32_t>(shape.n_seq_max));
  params.n_ubatch = static_cast<uint32_t>(settings_.n_ubatch);
  params.n_batch = params.n_ubatch;
  params.n_seq_max = static_cast<uint32_t>(shape.n_seq_max);
  params.n_outputs_max = static_cast<uint32_t>(std::max(shape.n_rows > 0 ? shape.n_rows : settings_.max_rows, shape.n_seq_max));
  params.n_threads = params.n_threads_batch = settings_.n_threads;
  params.flash_attn_type = settings_.flash_attn;
  params.type_k = settings_.type_k;
  params.type_v = settings_.type_v;
  params.kv_unified = shape.unified;
  if (settings_.yarn_factor > 1) {
    params.rope_scaling_type = LLAMA_ROPE_SCALING_TYPE_YARN;
    params.rope_freq_scale = static_cast<float>(1 / settings_.yarn_factor);
    params.yarn_orig_ctx = static_cast<uint32_t>(model_.n_ctx_train());
  }
  params.abort_callback = [](void* self_pointer) {
    auto* self = static_cast<DecodeContext*>(self_pointer);
    return self->abort_ && self->abort_->load(std::memory_order_relaxed) != self->abort_at_start_;
  };
  params.abort_callback_data = this;
  QEVAL_TRY(llama_model* weights, settings_.rows_alike ? model_.get() : model_.for_few_rows());
  const uint64_t mark = LlamaLog::mark();
  const AnyRows any_rows(settings_.rows_alike);
  try {
    context_ = llama_init_from_model(weights, params);
  } catch (const std::exception& e) {
    return fail(ErrorKind::environment, std::string("llama.cpp cannot create a context: ") + e.what());
  }
  if (!context_)
    return fail(ErrorKind::environment,
                fmt::format("llama.cpp cannot create a context of {} cells for {} sequences\n{}", params.n_ctx,
                            params.n_seq_max, LlamaLog::complaints_since(mark)));
  // n_batch is n_ubatch: each decode is one micro-batch. llama.cpp takes those of one stream as they come, but not where each sequence has a state, and perhaps not where it forgets cells.
  in_order_ = shape.unified && !model_.whole_forks_only() && llama_model_n_swa(weights) == 0;
  model_bytes_ = 0;
  for (const auto& [type, memory] : llama_get_memory_breakdown(context_)) {
    model_bytes_ += static_cast<int64_t>(memory.model);
    kv_bytes_ += static_cast<int64_t>(memory.context);
    compute_bytes_ += static_cast<int64_t>(memory.compute);
  }
  return {};
}

DecodeStatus DecodeContext::decode(Batch& batch) {
  if (abort_) abort_at_start_ = abort_->load(std::memory_order_relaxed);
  const auto start = SteadyClock::now();
  const uint64_t mark = LlamaLog::mark();
  int32_t code = -1;
  error_.clear();
  in_place_ = {};
  const AnyRows any_rows(settings_.rows_alike);
  const LogitsInPlace logits(in_order_);
  try {
    code = llama_decode(context_, batch.view());
    if (code == 0) llama_synchronize(context_);
    in_place_ = logits.logits();
    if (!in_place_.empty()) row_of_ = batch.rows();
  } catch (const std::exception& e) {
    error_ = e.what();
  }
  last_decode_s_ = seconds_since(start);
  busy_s_ += last_decode_s_;
  ++n_calls_;
  if (code == 0) {
    n_tokens_ += batch.size();
    n_rows_ += batch.n_rows();
    return DecodeStatus::ok;
  }
  if (code == 2) return DecodeStatus::aborted;
  if (error_.empty()) error_ = fmt::format("llama_decode returned {}\n{}", code, LlamaLog::complaints_since(mark, 3));
  return code == 1 ? DecodeStatus::no_slot : DecodeStatus::failed;
}

const float* DecodeContext::row(int index) {
  if (!in_place_.empty()) {
    const int row = row_of_[static_cast<size_t>(index)];
    return row < 0 ? nullptr : in_place_.data() + static_cast<size_t>(row) * static_cast<size_t>(model_.n_vocab());
  }
  try {
    return llama_get_logits_ith(context_, index);
  } catch (const std::exception&) {
    return nullptr;
  }
}

void DecodeContext::clear() { llama_memory_clear(llama_get_memory(context_), false); }

void DecodeContext::copy(llama_seq_id from, llama_seq_id to, int n) {
  llama_memory_seq_cp(llama_get_memory(context_), from, to, n < 0 ? -1 : 0, n < 0 ? -1 : n);
}

bool DecodeContext::trim(llama_seq_id seq, int n) {
  return llama_memory_seq_rm(llama_get_memory(context_), seq, n, -1);
}

bool DecodeContext::pack(llama_seq_id seq) {
  moved_.resize(llama_state_seq_get_size(context_, seq));
  const size_t n = llama_state_seq_get_data(context_, moved_.data(), moved_.size(), seq);
  clear();
  return n > 0 && llama_state_seq_set_data(context_, moved_.data(), n, seq) > 0;
}

void DecodeContext::remove(llama_seq_id seq) { llama_memory_seq_rm(llama_get_memory(context_), seq, -1, -1); }

}  // namespace qeval
