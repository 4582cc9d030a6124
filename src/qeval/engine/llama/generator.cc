#include "qeval/engine/llama/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "qeval/core/llama_sizes.h"

namespace qeval {

Generator::Generator(const LlamaModel& model, const ContextSettings& settings, SessionQueue& queue, bool exact,
                     const GeneratorLimits& limits)
    : model_(model), settings_(settings), queue_(queue), exact_(exact), limits_(limits),
      copies_slots_(limits.reuse_prefixes && !exact && !model.whole_forks_only()),
      holds_prefix_(limits.reuse_prefixes && !exact && model.whole_forks_only()),
      context_(model, settings, &queue.abort_count()), ids_(llama_max_parallel_sequences()) {
  std::iota(ids_.begin(), ids_.end(), 0);
}

Generator::~Generator() = default;

void Generator::add(SessionQueue::Item item, Response info, std::vector<TokenId> prompt) {
  auto sequence = std::make_unique<Sequence>();
  auto sampler = TokenSampler::create(model_, item.request, prompt);
  if (!sampler) {
    info.failure = EngineFailure::unsupported;
    info.failure_message = sampler.error().message;
    queue_.complete(std::move(info));
    return;
  }
  sequence->sampler = std::move(*sampler);
  sequence->scanner = StopScanner(item.request.until);
  for (const std::string& stop : item.request.until)
    if (auto token = model_.control_token(stop)) sequence->stop_tokens[*token] = stop;
  sequence->item = std::move(item);
  sequence->response = std::move(info);
  sequence->prompt = std::move(prompt);
  auto before = [](const auto& a, const auto& b) {
    const Request &x = a->item.request, &y = b->item.request;
    return x.priority != y.priority ? x.priority > y.priority : x.max_new_tokens > y.max_new_tokens;
  };
  const auto at = std::upper_bound(waiting_.begin(), waiting_.end(), sequence, before);
  waiting_.insert(at, std::move(sequence));
}

int Generator::n_active() const {
  return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [](const Slot& s) { return s.sequence != nullptr; }));
}

int Generator::top_priority() const {
  int top = waiting_.empty() ? INT32_MIN : waiting_.front()->item.request.priority;
  for (const Slot& slot : slots_)
    if (slot.sequence) top = std::max(top, slot.sequence->item.request.priority);
  return top;
}

void Generator::release() {
  context_.release();
  slots_.clear();
  holder_.clear();
}

void Generator::drop_cancelled() {
  for (Slot& slot : slots_)
    if (slot.sequence && queue_.cancelled(slot.sequence->item.request.id)) finish(slot, FinishReason::cancelled);
  for (auto& sequence : waiting_) {
    if (!queue_.cancelled(sequence->item.request.id)) continue;
    sequence->response.finish = FinishReason::cancelled;
    queue_.complete(std::move(sequence->response));
    sequence.reset();
  }
  std::erase(waiting_, nullptr);
}

void Generator::fail_all(EngineFailure failure, const std::string& message) {
  for (Slot& slot : slots_)
    if (slot.sequence) fail(slot, failure, message);
  for (auto& sequence : waiting_) {
    sequence->response.failure = failure;
    sequence->response.failure_message = message;
    queue_.complete(std::move(sequence->response));
  }
  waiting_.clear();
}

// True: the context holds this request. A longer one than it was made for waits until the slots are empty.
bool Generator::ensure_capacity(const Sequence& sequence) {
  const int needed = sequence.n_needed();
  if (context_.exists() && context_.shape().n_ctx_seq >= needed) return true;
  if (n_active() > 0) return false;
  int longest = needed;
  for (const auto& other : waiting_) longest = std::max(longest, other->n_needed());
  const int extra = holds_prefix_ ? 1 : 0;  // the holder's stream
  // A cache costs the first touch of all its memory: no more streams than there are requests, once these are all known.
  const size_t most = queue_.input_closed() ? waiting_.size() + queue_.n_pending() : SIZE_MAX;
  for (int length : {stream_cells(longest, limits_.max_len), padded_cells(needed)}) {
    int n_slots = exact_ ? 1 : static_cast<int>(std::min(most, static_cast<size_t>(limits_.max_slots)));
    const double per_slot = limits_.bytes_per_cell * length + limits_.bytes_per_sequence;
    if (limits_.kv_budget_bytes > 0 && per_slot > 0)
      n_slots = std::clamp(static_cast<int>(static_cast<double>(limits_.kv_budget_bytes) / per_slot) - extra, 1, n_slots);
    for (; n_slots >= 1; n_slots /= 2) {
      if (context_.create({n_slots + extra, length, false, n_slots})) {
        slots_.clear();
        slots_.resize(static_cast<size_t>(n_slots));
        n_streams_ = std::max(n_streams_, n_slots);
        holder_.clear();
        return true;
      }
    }
  }
  return false;
}

void Generator::admit() {
  while (!waiting_.empty()) {
    const int active = n_active();
    if (context_.exists() && active == static_cast<int>(slots_.size())) return;
    const auto at = next_candidate();
    if (!at) {
      if (active > 0) return;
      if (!ensure_capacity(*waiting_.front())) fail_without_memory(0);
      continue;
    }
    if (holds_prefix_) refresh_holder(*waiting_[*at]);
    const int slot = choose_slot(*waiting_[*at]);
    auto sequence = std::move(waiting_[*at]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(*at));
    begin(slot, std::move(sequence));
  }
}

void Generator::fail_without_memory(size_t at) {
  Response response = std::move(waiting_[at]->response);
  response.failure = EngineFailure::out_of_memory;
  response.failure_message = fmt::format("no memory for a cache of {} tokens", waiting_[at]->n_needed());
  queue_.complete(std::move(response));
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
  release();
}

void Generator::begin(int index, std::unique_ptr<Sequence> sequence) {
  Slot& slot = slots_[static_cast<size_t>(index)];
  const int reused = start_from(index, *sequence);
  if (exact_) context_.clear();
  slot.resident.assign(sequence->prompt.begin(), sequence->prompt.begin() + reused);
  sequence->n_past = reused;
  sequence->response.n_cached_tokens = reused;
  if (!sequence->started) sequence->response.queue_s = seconds_since(sequence->item.submitted);
  sequence->started = true;
  slot.sequence = std::move(sequence);
}

// A gap among the active ids costs a micro-batch each step; without newcomers to fill it, the last one moves down.
void Generator::close_holes() {
  if (!waiting_.empty() || exact_) return;
  size_t low = 0, high = slots_.size();
  while (low < slots_.size() && slots_[low].sequence) ++low;
  while (high > 0 && !slots_[high - 1].sequence) --high;
  if (low + 1 >= high) return;
  const llama_seq_id from = static_cast<llama_seq_id>(high - 1), to = static_cast<llama_seq_id>(low);
  context_.remove(to);
  context_.copy(from, to);
  context_.remove(from);
  slots_[low] = std::move(slots_[high - 1]);
  slots_[high - 1] = {};
}

void Generator::step() {
  admit();
  if (n_active() == 0) return;
  if (!waiting_.empty()) {
    n_busy_slots_ += n_active();
    n_all_slots_ += static_cast<int64_t>(slots_.size());
  }
  close_holes();
  const std::vector<Part> parts = build_batch();
  const DecodeStatus status = context_.decode(batch_);
  if (status != DecodeStatus::ok) {
    after_failure(status);
    return;
  }
  count_step(parts);
  take_tokens(parts);
}

void Generator::count_step(const std::vector<Part>& parts) {
  int n_prompt = 0;
  int64_t n_cells = static_cast<int64_t>(holder_.size());
  for (const Part& part : parts) {
    const Sequence& sequence = *slots_[static_cast<size_t>(part.slot)].sequence;
    if (sequence.prompting()) n_prompt += part.n_tokens;
    n_cells += sequence.n_past + part.n_tokens;
  }
  peak_cells_ = std::max(peak_cells_, n_cells);
  prefill_s_ += context_.last_decode_s() * n_prompt / std::max(batch_.size(), 1);
}

// llama.cpp takes equally many tokens from neighbouring sequences for a micro-batch: the prompts' part of a batch is the largest such
// rectangle of at most `budget` tokens, so that it is one micro-batch and not one for each length. Of equal ones the one over fewer
// slots, whose rows share the cells that they attend to.
Generator::Rectangle Generator::choose_rectangle(int budget) const {
  const auto n_left = [&](size_t i) {
    const auto& sequence = slots_[i].sequence;
    return sequence && sequence->prompting() ? sequence->n_total() - sequence->n_past : 0;
  };
  Rectangle best;
  for (size_t first = 0; first < slots_.size(); ++first) {
    int least = INT32_MAX;
    for (size_t end = first; end < slots_.size(); ++end) {
      const int n = static_cast<int>(end - first) + 1;
      least = std::min(least, n_left(end));
      const int width = std::min(least, budget / n);
      if (width <= 0) break;
      const int gain = n * width - best.n_slots * best.width;
      if (gain > 0 || (gain == 0 && n < best.n_slots)) best = {static_cast<int>(first), n, width};
    }
  }
  return best;
}

// While most slots still work at their prompts, only these are decoded, so that answers are then written by all together;
// else every answer gets its next token, and prompts fill the rest of the micro-batch.
std::vector<Generator::Part> Generator::build_batch() {
  int n_decoding = 0, n_prompting = 0;
  for (const Slot& slot : slots_) {
    if (!slot.sequence) continue;
    ++(slot.sequence->prompting() ? n_prompting : n_decoding);
  }
  const bool mixed = n_decoding >= n_prompting;
  const int n_single = mixed ? n_decoding + n_prompting : 0;
  const Rectangle rectangle = choose_rectangle(std::max(settings_.n_ubatch - n_single, 1));
  std::vector<Part> parts;
  batch_.clear();
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (!slot.sequence) continue;
    Sequence& sequence = *slot.sequence;
    const int index = static_cast<int>(i);
    const bool inside = index >= rectangle.first && index < rectangle.first + rectangle.n_slots;
    // A prompt outside the rectangle adds its next token, else its id would be a gap between the answers'.
    const int n = inside ? rectangle.width : mixed ? 1 : 0;
    if (n == 0) continue;
    const bool complete = sequence.n_past + n == sequence.n_total();
    int row = -1;
    for (int k = 0; k < n; ++k) {
      const int pos = sequence.n_past + k;
      row = batch_.add(sequence.token_at(pos), pos, &ids_[i], 1, complete && k + 1 == n);
    }
    parts.push_back({index, n, complete ? row : -1});
  }
  return parts;
}

// Each answer's token is drawn by itself, so all are drawn at once on the threads that llama.cpp has just left idle.
void Generator::take_tokens(const std::vector<Part>& parts) {
  std::vector<const float*> logits(parts.size(), nullptr);
  std::vector<Result<TokenSampler::Pick>> picks(parts.size(), qeval::fail(ErrorKind::internal, "llama.cpp gave no logits"));
  for (size_t i = 0; i < parts.size(); ++i)
    if (parts[i].row >= 0) logits[i] = context_.row(parts[i].row);
#ifdef _OPENMP
#pragma omp parallel for num_threads(settings_.n_threads) schedule(dynamic, 1) if (parts.size() > 4)
#endif
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!logits[i]) continue;
    Sequence& sequence = *slots_[static_cast<size_t>(parts[i].slot)].sequence;
    try {
      picks[i] = sequence.sampler->pick(logits[i], sequence.item.request.want_token_logprobs);
    } catch (const std::exception& e) {
      picks[i] = qeval::fail(ErrorKind::internal, e.what());
    }
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    Slot& slot = slots_[static_cast<size_t>(parts[i].slot)];
    Sequence& sequence = *slot.sequence;
    for (int k = 0; k < parts[i].n_tokens; ++k) slot.resident.push_back(sequence.token_at(sequence.n_past + k));
    sequence.n_past += parts[i].n_tokens;
    if (parts[i].row >= 0) take_token(slot, picks[i]);
  }
}

bool Generator::take_token(Slot& slot, const Result<TokenSampler::Pick>& pick) {
  Sequence& sequence = *slot.sequence;
  Response& response = sequence.response;
  const Request& request = sequence.item.request;
  if (!pick) {
    fail(slot, EngineFailure::engine_error, pick.error().message);
    return false;
  }
  const TokenId token = pick->token;
  const double at_s = seconds_since(sequence.item.submitted);
  if (sequence.generated.empty()) response.first_token_s = at_s;
  response.token_times_s.push_back(static_cast<float>(at_s));
  sequence.generated.push_back(token);
  ++response.n_new_tokens;
  if (request.want_token_logprobs) response.token_logprobs.push_back({token, pick->logprob_nats});
  auto stop_token = sequence.stop_tokens.find(token);
  if (model_.ends_turn(token)) {
    finish(slot, FinishReason::end_of_turn);
  } else if (stop_token != sequence.stop_tokens.end()) {
    response.stop_string = stop_token->second;
    finish(slot, FinishReason::stop_string);
  } else {
    response.text += model_.piece(token);
    if (auto hit = sequence.scanner.scan(response.text)) {
      response.text.resize(hit->position);
      response.stop_string = hit->stop;
      finish(slot, FinishReason::stop_string);
    } else if (static_cast<int>(sequence.generated.size()) >= request.max_new_tokens ||
               sequence.n_total() >= limits_.max_len) {
      finish(slot, FinishReason::length);
    }
  }
  return true;
}

void Generator::finish(Slot& slot, FinishReason reason) {
  slot.sequence->response.finish = reason;
  queue_.complete(std::move(slot.sequence->response));
  slot.sequence.reset();
}

void Generator::fail(Slot& slot, EngineFailure failure, const std::string& message) {
  slot.sequence->response.failure = failure;
  slot.sequence->response.failure_message = message;
  finish(slot, FinishReason::failed);
}

// The cache may hold part of the batch: nothing in it can be relied on any more.
void Generator::after_failure(DecodeStatus status) {
  for (Slot& slot : slots_) {
    if (!slot.sequence) continue;
    if (queue_.cancelled(slot.sequence->item.request.id)) finish(slot, FinishReason::cancelled);
    else if (status != DecodeStatus::aborted) fail(slot, EngineFailure::engine_error, context_.decode_error());
    else slot.sequence->n_past = 0;  // decodes its prompt and what it has written so far again
    slot.resident.clear();
  }
  holder_.clear();
  context_.clear();
}

}  // namespace qeval
