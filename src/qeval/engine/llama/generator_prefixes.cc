#include <algorithm>

#include "qeval/engine/llama/generator.h"
#include "qeval/engine/llama/score_plan.h"

// Which request begins next, in which slot, and what of its prompt is in the cache already.
namespace qeval {
namespace {

constexpr int kMinReuse = 16;         // tokens worth keeping in a slot
constexpr int kMinHolder = 16;        // tokens worth a holder
constexpr int kMinHolderSaving = 64;  // tokens saved over all requests that share them
constexpr int kMaxFree = 8;           // free slots whose content is weighed
constexpr size_t kLookahead = 64;     // waiting requests that are looked at for one that can begin

}  // namespace

// The first that fits the cache as it is. Requests that start with the holder's prefix go first, so that alternating
// tasks do not rebuild it each time; one whose prefix is just being decoded for another waits for that.
std::optional<size_t> Generator::next_candidate() const {
  if (!context_.exists()) return std::nullopt;
  std::optional<size_t> first;
  const size_t n_seen = holder_.empty() ? std::min(waiting_.size(), kLookahead + slots_.size()) : waiting_.size();
  for (size_t i = 0; i < n_seen; ++i) {
    const Sequence& sequence = *waiting_[i];
    if (sequence.item.request.priority != waiting_.front()->item.request.priority) break;
    if (context_.shape().n_ctx_seq < sequence.n_needed() || worth_waiting(sequence)) continue;
    if (holder_.empty() && !displaces(sequence)) return i;
    if (!holder_.empty() && sequence.prompt.size() > holder_.size() && std::equal(holder_.begin(), holder_.end(), sequence.prompt.begin()))
      return i;
    if (!first) first = i;
  }
  return first;
}

// Nothing of it lies in a free slot, and every free slot holds what another request will want: that one goes first.
bool Generator::displaces(const Sequence& sequence) const {
  if (!copies_slots_) return false;
  int n_free = 0;
  for (size_t i = 0; i < slots_.size() && n_free < kMaxFree; ++i) {
    if (slots_[i].sequence) continue;
    ++n_free;
    if (usable_resident(slots_[i], sequence) > 0 || loss(i) == 0) return false;
  }
  return n_free > 0;
}

// A prompt at work shares more of this one than the cache holds by now.
bool Generator::worth_waiting(const Sequence& sequence) const {
  if (!copies_slots_) return false;
  const int n = static_cast<int>(sequence.prompt.size()) - 1;
  int coming = 0;
  for (const Slot& slot : slots_) {
    if (!slot.sequence || !slot.sequence->prompting()) continue;
    const std::vector<TokenId>& prompt = slot.sequence->prompt;
    const int shared = common_prefix(prompt, static_cast<int>(prompt.size()), sequence.prompt, n);
    if (shared > slot.sequence->n_past) coming = std::max(coming, shared);
  }
  int source = -1;
  return coming >= kMinReuse && coming >= longest_resident(sequence, &source) + kMinReuse;
}

void Generator::refresh_holder(const Sequence& sequence) {
  if (waiting_.size() < 2) return;
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

// The most of the prompt that any slot holds, free or busy.
int Generator::longest_resident(const Sequence& sequence, int* slot) const {
  int best = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const int n = usable_resident(slots_[i], sequence);
    if (n > best) best = n, *slot = static_cast<int>(i);
  }
  return best;
}

// The free slot that already holds most of the prompt, else one of the lowest, so that active ids stay compact: the
// first whose content nobody waits for.
int Generator::choose_slot(const Sequence& sequence) const {
  int best = -1, best_resident = 0, n_free = 0, least = INT32_MAX, cheapest = -1;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].sequence) continue;
    const int n = usable_resident(slots_[i], sequence);
    if (n > best_resident) best = static_cast<int>(i), best_resident = n;
    if (least == 0 || n_free++ >= kMaxFree) continue;
    if (const int lost = loss(i); lost < least) least = lost, cheapest = static_cast<int>(i);
  }
  return best >= 0 ? best : cheapest;
}

// Tokens that the next requests would have to decode again without what this slot holds.
int Generator::loss(size_t slot) const {
  if (!copies_slots_ || slots_[slot].resident.empty()) return 0;
  int most = 0;
  for (size_t w = 0; w < std::min(waiting_.size(), kLookahead / 2); ++w) {
    const int here = usable_resident(slots_[slot], *waiting_[w]);
    if (here <= most) continue;
    int elsewhere = 0;
    for (size_t i = 0; i < slots_.size() && elsewhere < here; ++i)
      if (i != slot) elsewhere = std::max(elsewhere, usable_resident(slots_[i], *waiting_[w]));
    most = std::max(most, here - elsewhere);
  }
  return most;
}

// Leaves in the slot as much of the prompt as it, another slot or the holder has; returns how many tokens.
int Generator::start_from(int index, const Sequence& sequence) {
  const Slot& slot = slots_[static_cast<size_t>(index)];
  const int own = usable_resident(slot, sequence);
  int source = -1;
  const int others = copies_slots_ ? longest_resident(sequence, &source) : 0;
  const int held = static_cast<int>(holder_.size());
  const bool holds = held > 0 && held < static_cast<int>(sequence.prompt.size()) &&
                     std::equal(holder_.begin(), holder_.end(), sequence.prompt.begin());
  if (own > 0 && (!holds || own >= held) && own + kMinReuse > others) {
    if (own == static_cast<int>(slot.resident.size()) || context_.trim(index, own)) return own;
  }
  context_.remove(index);
  if (holds) {
    context_.copy(static_cast<llama_seq_id>(slots_.size()), index);
    return held;
  }
  if (others == 0 || source == index) return 0;
  context_.copy(source, index);  // streams are copied whole
  if (context_.trim(index, others)) return others;
  context_.remove(index);
  return 0;
}

}  // namespace qeval
