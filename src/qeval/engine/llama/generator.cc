#include "qeval/engine/llama/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "qeval/engine/llama/score_plan.h"

namespace qeval {
namespace {

constexpr int kMinReuse = 16;         // tokens worth keeping in a slot
constexpr int kMinHolder = 32;        // tokens worth a holder
constexpr int kMinHolderSaving = 128; // tokens saved over all requests that share them

// 256, 512, 768, 1024, 1536 …: room to grow without a context per length.
int round_length(int n, int max_len) {
  int step = 256;
  while (step < n && step + step / 2 < n) step *= 2;
  const int rounded = step >= n ? step : step + step / 2;
  return std::min(pad_cells(rounded), pad_cells(std::max(n, max_len)));
}

}  // namespace

struct Generator::Sequence {
  SessionQueue::Item item;
  Response response;
  std::vector<TokenId> prompt;
  std::unique_ptr<TokenSampler> sampler;
  StopScanner scanner;
  std::map<TokenId, std::string> stop_tokens;  // stop strings that are control tokens and so never appear in the text
  std::vector<TokenId> generated;
  int n_past = 0;
  bool started = false;

  int n_needed() const { return static_cast<int>(prompt.size()) + item.request.max_new_tokens; }
  // The prompt is not through yet (or has to go through again): more than the newest token is to be decoded.
  bool prompting() const { return generated.empty() || n_total() - n_past > 1; }
  int n_total() const { return static_cast<int>(prompt.size() + generated.size()); }
  TokenId token_at(int pos) const {
    const size_t p = static_cast<size_t>(pos);
    return p < prompt.size() ? prompt[p] : generated[p - prompt.size()];
  }
};

Generator::Generator(const LlamaModel& model, const ContextSettings& settings, SessionQueue& queue, bool exact,
                     const GeneratorLimits& limits)
    : model_(model), settings_(settings), queue_(queue), exact_(exact), limits_(limits),
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
  const int priority = sequence->item.request.priority;
  auto at = std::upper_bound(waiting_.begin(), waiting_.end(), priority,
                             [](int p, const auto& other) { return p > other->item.request.priority; });
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
  const int extra = limits_.reuse_prefixes && !exact_ ? 1 : 0;  // the holder's stream
  for (int length : {round_length(longest, limits_.max_len), pad_cells(needed)}) {
    int n_slots = exact_ ? 1 : limits_.max_slots;
    const double per_slot = limits_.bytes_per_cell * length + limits_.bytes_per_sequence;
    if (limits_.kv_budget_bytes > 0 && per_slot > 0)
      n_slots = std::clamp(static_cast<int>(static_cast<double>(limits_.kv_budget_bytes) / per_slot) - extra, 1, n_slots);
    for (; n_slots >= 1; n_slots /= 2) {
      if (context_.create({n_slots + extra, length, false})) {
        slots_.clear();
        slots_.resize(static_cast<size_t>(n_slots));
        holder_.clear();
        return true;
      }
    }
  }
  return false;
}

void Generator::admit() {
  while (!waiting_.empty()) {
    const size_t at = next_candidate();
    if (!ensure_capacity(*waiting_[at])) {
      if (n_active() == 0) {
        Response response = std::move(waiting_[at]->response);
        response.failure = EngineFailure::out_of_memory;
        response.failure_message = fmt::format("no memory for a cache of {} tokens", waiting_[at]->n_needed());
        queue_.complete(std::move(response));
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
        release();
        continue;
      }
      return;
    }
    if (n_active() == static_cast<int>(slots_.size())) return;
    refresh_holder(*waiting_[at]);
    const int slot = choose_slot(*waiting_[at]);
    auto sequence = std::move(waiting_[at]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    begin(slot, std::move(sequence));
  }
}

// Requests that start with the holder's prefix go first, so that alternating tasks do not rebuild it each time.
size_t Generator::next_candidate() const {
  if (holder_.empty()) return 0;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const Sequence& sequence = *waiting_[i];
    if (sequence.item.request.priority != waiting_.front()->item.request.priority) break;
    if (sequence.prompt.size() > holder_.size() && std::equal(holder_.begin(), holder_.end(), sequence.prompt.begin()))
      return i;
  }
  return 0;
}

void Generator::refresh_holder(const Sequence& sequence) {
  if (!limits_.reuse_prefixes || exact_ || waiting_.size() < 2) return;
  const int n = static_cast<int>(sequence.prompt.size()) - 1;
  std::vector<int> shared;
  for (const auto& other : waiting_)
    if (other.get() != &sequence)
      shared.push_back(common_prefix(sequence.prompt, n, other->prompt, static_cast<int>(other->prompt.size()) - 1));
  std::sort(shared.begin(), shared.end(), std::greater<>());
  int best = 0;
  int64_t best_saving = 0;
  for (size_t k = 0; k < shared.size(); ++k) {
    const int64_t saving = static_cast<int64_t>(shared[k]) * static_cast<int64_t>(k + 1);
    if (saving > best_saving) best = shared[k], best_saving = saving;
  }
  if (best < kMinHolder || best_saving < kMinHolderSaving) return;
  const int held = common_prefix(holder_, static_cast<int>(holder_.size()), sequence.prompt, n);
  if (held == static_cast<int>(holder_.size()) && held * 5 >= best * 4) return;
  const llama_seq_id seq = static_cast<llama_seq_id>(slots_.size());
  context_.remove(seq);
  holder_.assign(sequence.prompt.begin(), sequence.prompt.begin() + best);
  if (decode_prefix(holder_, seq)) return;
  context_.remove(seq);
  holder_.clear();
}

bool Generator::decode_prefix(const std::vector<TokenId>& tokens, llama_seq_id seq) {
  for (size_t at = 0; at < tokens.size();) {
    batch_.clear();
    for (; at < tokens.size() && batch_.size() < settings_.n_ubatch; ++at)
      batch_.add(tokens[at], static_cast<int>(at), &ids_[static_cast<size_t>(seq)], 1, false);
    if (context_.decode(batch_) != DecodeStatus::ok) return false;
    prefill_s_ += context_.last_decode_s();
  }
  return true;
}

int Generator::usable_resident(const Slot& slot, const Sequence& sequence) const {
  if (!limits_.reuse_prefixes || exact_) return 0;
  const int n = common_prefix(slot.resident, static_cast<int>(slot.resident.size()), sequence.prompt,
                              static_cast<int>(sequence.prompt.size()) - 1);
  // Recurrent state cannot be rolled back: only what the sequence holds as a whole can be continued.
  if (model_.whole_forks_only() && n != static_cast<int>(slot.resident.size())) return 0;
  return n >= kMinReuse ? n : 0;
}

// The free slot that already holds most of the prompt, else the lowest: active ids stay compact.
int Generator::choose_slot(const Sequence& sequence) const {
  int best = -1, best_resident = -1;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].sequence) continue;
    const int n = usable_resident(slots_[i], sequence);
    if (n > best_resident) best = static_cast<int>(i), best_resident = n;
  }
  return best;
}

void Generator::begin(int index, std::unique_ptr<Sequence> sequence) {
  Slot& slot = slots_[static_cast<size_t>(index)];
  int reused = usable_resident(slot, *sequence);
  const int held = static_cast<int>(holder_.size());
  const bool holds = held > 0 && held < static_cast<int>(sequence->prompt.size()) &&
                     std::equal(holder_.begin(), holder_.end(), sequence->prompt.begin());
  if (reused > 0 && (!holds || reused >= held)) {
    if (reused < static_cast<int>(slot.resident.size()) && !context_.trim(index, reused)) reused = 0;
  } else {
    reused = 0;
  }
  if (reused == 0) {
    context_.remove(index);
    if (holds) {
      context_.copy(static_cast<llama_seq_id>(slots_.size()), index);
      reused = held;
    }
  }
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
  close_holes();
  const std::vector<Part> parts = build_batch();
  const DecodeStatus status = context_.decode(batch_);
  if (status != DecodeStatus::ok) {
    after_failure(status);
    return;
  }
  int n_prompt = 0;
  int64_t n_cells = static_cast<int64_t>(holder_.size());
  for (const Part& part : parts) {
    const Sequence& sequence = *slots_[static_cast<size_t>(part.slot)].sequence;
    if (sequence.prompting()) n_prompt += part.n_tokens;
    n_cells += sequence.n_past + part.n_tokens;
  }
  peak_cells_ = std::max(peak_cells_, n_cells);
  prefill_s_ += context_.last_decode_s() * n_prompt / std::max(batch_.size(), 1);
  take_tokens(parts);
}

std::vector<Generator::Part> Generator::build_batch() {
  int n_decoding = 0;
  for (const Slot& slot : slots_) n_decoding += slot.sequence && !slot.sequence->prompting();
  int budget = std::max(settings_.n_ubatch - n_decoding, 1);
  std::vector<Part> parts;
  batch_.clear();
  for (size_t i = 0; i < slots_.size() && batch_.size() < settings_.n_ubatch; ++i) {
    Slot& slot = slots_[i];
    if (!slot.sequence) continue;
    Sequence& sequence = *slot.sequence;
    const bool prompting = sequence.prompting();
    const int n = prompting ? std::min(sequence.n_total() - sequence.n_past, budget) : 1;
    if (n <= 0) continue;
    if (prompting) budget -= n;
    const bool complete = sequence.n_past + n == sequence.n_total();
    int row = -1;
    for (int k = 0; k < n; ++k) {
      const int pos = sequence.n_past + k;
      row = batch_.add(sequence.token_at(pos), pos, &ids_[i], 1, complete && k + 1 == n);
    }
    parts.push_back({static_cast<int>(i), n, complete ? row : -1});
  }
  return parts;
}

void Generator::take_tokens(const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    Slot& slot = slots_[static_cast<size_t>(part.slot)];
    Sequence& sequence = *slot.sequence;
    for (int k = 0; k < part.n_tokens; ++k) slot.resident.push_back(sequence.token_at(sequence.n_past + k));
    sequence.n_past += part.n_tokens;
    if (part.row < 0) continue;
    const float* logits = context_.row(part.row);
    if (!logits) fail(slot, EngineFailure::engine_error, "llama.cpp gave no logits");
    else take_token(slot, logits);
  }
}

bool Generator::take_token(Slot& slot, const float* logits) {
  Sequence& sequence = *slot.sequence;
  Response& response = sequence.response;
  const Request& request = sequence.item.request;
  auto pick = sequence.sampler->pick(logits, request.want_token_logprobs);
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
