#pragma once

namespace qeval {

// The sizes by which the embedded engine allocates. The engine makes its contexts by them, and the plan predicts their memory.

// Sequences at once: llama.cpp's ids, less one for a prefix that is kept.
inline constexpr int kMostLlamaSequences = 255;
// llama.cpp makes caches in steps of this many cells.
inline constexpr int kCellStep = 256;

int padded_cells(int n);
// Cells of an answer's stream, where the longest request at hand has `longest` tokens: in steps of a quarter of the power of two below,
// so that a longer one that comes later rarely needs a new cache. Never more than `max_len`, unless `longest` is.
int stream_cells(int longest, int max_len);
// Rows of logits that 160 MiB hold; llama.cpp's graph needs as much again.
int most_logit_rows(int vocab);
// Tokens that go through the model at once. On a CPU no more than rows that fit, so that it is full even where every row is read.
int micro_batch_tokens(int vocab, bool on_cpu);
// Rows of logits that one call of scoring reads at most.
int scored_rows(int vocab, int micro_batch);
// Cells in which log-likelihoods are computed: the longest request and what else is in its micro-batch; where state can only be forked
// whole, many ends are held open to fill one.
int scoring_cells(int longest, int micro_batch, bool whole_forks);
// Recurrent states held open by scoring, in a quarter of the room for caches.
int scoring_states(double room_bytes, double state_bytes);

}  // namespace qeval
