#include "qeval/engine/llama/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "json-schema-to-grammar.h"
#include "qeval/engine/llama/log_softmax.h"
#include "qeval/util/hash.h"

namespace qeval {

uint64_t stream_seed(const Request& request) {
  return std::strtoull(sha256_hex(canonical_json(request_identity(request))).substr(0, 16).c_str(), nullptr, 16);
}

TokenSampler::TokenSampler(const LlamaModel& model, const Request& request, const std::vector<TokenId>& prompt)
    : model_(model), sampling_(request.sampling),
      penalties_(sampling_.repetition_penalty != 1 || sampling_.presence_penalty != 0 ||
                 sampling_.frequency_penalty != 0),
      random_(request.sampling.temperature > 0 ? stream_seed(request) : 0) {
  if (sampling_.repetition_penalty != 1)
    for (TokenId token : prompt) seen_[token] = true;
}

TokenSampler::~TokenSampler() {
  if (grammar_) llama_sampler_free(grammar_);
}

Result<std::unique_ptr<TokenSampler>> TokenSampler::create(const LlamaModel& model, const Request& request,
                                                           const std::vector<TokenId>& prompt) {
  std::unique_ptr<TokenSampler> out(new TokenSampler(model, request, prompt));
  if (request.json_schema.empty()) return out;
  try {
    const std::string grammar = json_schema_to_grammar(common_json::parse(request.json_schema));
    out->grammar_ = llama_sampler_init_grammar(model.vocab(), grammar.c_str(), "root");
  } catch (const std::exception& e) {
    return bad_input(std::string("the JSON schema cannot be used as a grammar: ") + e.what());
  }
  if (!out->grammar_) return bad_input("the JSON schema cannot be used as a grammar");
  return out;
}

Result<TokenSampler::Pick> TokenSampler::pick(const float* logits, bool want_logprob) {
  const size_t n = static_cast<size_t>(model_.n_vocab());
  const float* row = logits;
  if (penalties_) {
    scratch_.assign(logits, logits + n);
    penalize();
    row = scratch_.data();
  }
  Pick out;
  out.token = choose(row);
  if (grammar_ && !allowed(out.token)) {
    if (!penalties_) scratch_.assign(logits, logits + n);
    if (!constrain()) return fail(ErrorKind::internal, "the grammar leaves no token");
    out.token = choose(scratch_.data());
  }
  if (grammar_) {
    try {
      llama_sampler_accept(grammar_, out.token);
    } catch (const std::exception& e) {
      return fail(ErrorKind::internal, std::string("grammar: ") + e.what());
    }
  }
  if (penalties_) {
    ++output_counts_[out.token];
    seen_[out.token] = true;
  }
  if (want_logprob) out.logprob_nats = static_cast<double>(logits[out.token]) - summarize_row(logits, n).log_sum_exp;
  return out;
}

void TokenSampler::penalize() {
  if (sampling_.repetition_penalty != 1) {
    const float penalty = static_cast<float>(sampling_.repetition_penalty);
    for (const auto& [token, unused] : seen_) {
      float& logit = scratch_[static_cast<size_t>(token)];
      logit = logit > 0 ? logit / penalty : logit * penalty;
    }
  }
  for (const auto& [token, count] : output_counts_)
    scratch_[static_cast<size_t>(token)] -=
        static_cast<float>(sampling_.frequency_penalty * count + sampling_.presence_penalty);
}

bool TokenSampler::allowed(TokenId token) {
  llama_token_data one{token, 1.0f, 0.0f};
  llama_token_data_array array{&one, 1, -1, false};
  llama_sampler_apply(grammar_, &array);
  return std::isfinite(one.logit);
}

bool TokenSampler::constrain() {
  std::vector<llama_token_data> all(scratch_.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = {static_cast<llama_token>(i), scratch_[i], 0.0f};
  llama_token_data_array array{all.data(), all.size(), -1, false};
  llama_sampler_apply(grammar_, &array);
  std::fill(scratch_.begin(), scratch_.end(), -INFINITY);
  bool any = false;
  for (size_t i = 0; i < array.size; ++i) {
    scratch_[static_cast<size_t>(array.data[i].id)] = array.data[i].logit;
    any = any || std::isfinite(array.data[i].logit);
  }
  return any;
}

TokenId TokenSampler::choose(const float* logits) {
  const size_t n = static_cast<size_t>(model_.n_vocab());
  return sampling_.temperature > 0 ? draw_(logits, n, sampling_, random_.random()) : argmax_row(logits, n);
}

}  // namespace qeval
