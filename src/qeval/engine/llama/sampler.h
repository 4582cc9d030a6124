#pragma once

// Private to engine/llama: includes llama.h.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "qeval/engine/llama/model.h"
#include "qeval/engine/llama/token_draw.h"
#include "qeval/util/random.h"

namespace qeval {

// Seed of a request's own random stream: a hash over everything that identifies it (prompt, sampling with its seed,
// repeat index), so that a draw depends neither on slot nor on order.
uint64_t stream_seed(const Request& request);

// Chooses tokens for one request. Order: penalties (repetition over prompt and output, presence and frequency over
// the output, as vLLM defines them), grammar, temperature, min_p, top_k, top_p, draw.
class TokenSampler {
 public:
  // Error (bad_input): a JSON schema that llama-common cannot turn into a grammar.
  static Result<std::unique_ptr<TokenSampler>> create(const LlamaModel& model, const Request& request,
                                                      const std::vector<TokenId>& prompt);
  ~TokenSampler();

  struct Pick {
    TokenId token = 0;
    double logprob_nats = 0;  // under the raw model, before penalties and temperature; 0 unless wanted
  };
  // Also takes note of the token. Error (internal): the grammar leaves no token.
  Result<Pick> pick(const float* logits, bool want_logprob);

 private:
  TokenSampler(const LlamaModel& model, const Request& request, const std::vector<TokenId>& prompt);
  TokenId choose(const float* logits);
  bool allowed(TokenId token);
  bool constrain();
  void penalize();

  const LlamaModel& model_;
  const Sampling sampling_;
  const bool penalties_;
  PyRandom random_;
  std::unordered_map<TokenId, int> output_counts_;
  std::unordered_map<TokenId, bool> seen_;  // prompt and output
  std::vector<float> scratch_;
  TokenDraw draw_;
  llama_sampler* grammar_ = nullptr;
};

}  // namespace qeval
