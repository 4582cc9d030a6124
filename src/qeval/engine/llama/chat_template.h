#pragma once

#include <memory>
#include <string>

#include "qeval/core/request.h"
#include "qeval/util/result.h"

namespace qeval {

// A model's own Jinja chat template, rendered as Hugging Face's apply_chat_template does: the caller's messages, tools
// and enable_thinking reach it unchanged. (llama-common's higher-level renderer rewrites messages for its tool parsers
// and re-analyses the template at each call, so only its Jinja interpreter is used.) Thread-safe.
class ChatTemplate {
 public:
  // Error (bad_input): the template's syntax.
  static Result<std::unique_ptr<ChatTemplate>> parse(const std::string& source, const std::string& bos,
                                                     const std::string& eos);
  ~ChatTemplate();

  // The generation prompt is added unless the final message is continued; then the text ends where that message's
  // content ends. Error (bad_input): what the template raised, or a final message that it dropped.
  Result<std::string> render(const ChatPrompt& chat) const;

 private:
  struct Program;
  ChatTemplate();
  Result<std::string> run(const Json& variables) const;
  std::unique_ptr<Program> program_;
};

}  // namespace qeval
