#pragma once

// Private to engine/llama: includes llama.h.

#include <memory>

#include "qeval/engine/llama/generator.h"
#include "qeval/engine/llama/scorer.h"

namespace qeval {

struct LlamaSessionSetup {
  ContextSettings scoring, generation;
  GeneratorLimits generator;
  int max_forks = 16;  // sequences that a model with recurrent state scores at once
};

// Owns the worker thread that decodes. Its destructor takes no longer than a moment, even where llama.cpp is in a call that
// cannot be interrupted: the worker then keeps what it needs until it ends.
std::unique_ptr<EngineSession> make_llama_session(std::shared_ptr<const LlamaModel> model, const LlamaSessionSetup& setup,
                                                  const SessionOptions& options);

// Text of a request's prompt through the model's template where it is a chat. Error: the template's complaint.
Result<RenderedPrompt> render_chat(const LlamaModel& model, const ChatPrompt& chat);

}  // namespace qeval
