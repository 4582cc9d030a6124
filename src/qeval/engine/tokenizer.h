#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qeval/core/request.h"
#include "qeval/engine/engine.h"
#include "qeval/util/result.h"

namespace qeval {

// A model's tokenizer and chat template without its weights. Thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // As the model's HF tokenizer: BOS only where it adds one itself.
  virtual Result<std::vector<TokenId>> encode(const std::string& text, bool add_special, bool parse_special) const = 0;
  virtual TokenId prefix_token() const = 0;  // stands in for an empty context: BOS, else EOS
  virtual bool has_chat_template() const = 0;
  virtual Result<RenderedPrompt> render(const ChatPrompt& chat) const = 0;
};

}  // namespace qeval
