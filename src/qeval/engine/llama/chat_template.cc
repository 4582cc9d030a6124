#include "qeval/engine/llama/chat_template.h"

#include <mutex>

#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "json.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

// Marks the end of the message to continue. The trailing space tells whether the template strips content.
constexpr const char* kContinueTag = "QEVAL_CONTINUE_HERE ";

}  // namespace

struct ChatTemplate::Program {
  mutable std::mutex mutex;  // the interpreter keeps notes in the tree
  std::string source, bos, eos;
  jinja::program tree;
};

ChatTemplate::ChatTemplate() : program_(std::make_unique<Program>()) {}
ChatTemplate::~ChatTemplate() = default;

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::parse(const std::string& source, const std::string& bos,
                                                          const std::string& eos) {
  std::unique_ptr<ChatTemplate> out(new ChatTemplate);
  try {
    jinja::lexer lexer;
    auto lexed = lexer.tokenize(source);
    out->program_->tree = jinja::parse_from_tokens(lexed);
    out->program_->source = lexed.source;
  } catch (const std::exception& e) {
    return bad_input(std::string("the model's chat template cannot be parsed: ") + e.what());
  }
  out->program_->bos = bos;
  out->program_->eos = eos;
  return out;
}

Result<std::string> ChatTemplate::run(const Json& variables) const {
  std::lock_guard lock(program_->mutex);
  try {
    jinja::context context(program_->source);
    jinja::global_from_json(context, common_json::parse(dump_json(variables)), false);
    jinja::runtime runtime(context);
    return jinja::runtime::gather_string_parts(runtime.execute(program_->tree))->as_string().str();
  } catch (const std::exception& e) {
    return bad_input(std::string("the model's chat template refuses this conversation: ") + e.what());
  }
}

Result<std::string> ChatTemplate::render(const ChatPrompt& chat) const {
  Json variables = to_json(chat);
  variables.erase("continue_final_message");
  if (!variables.contains("tools")) variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  variables["bos_token"] = program_->bos;
  variables["eos_token"] = program_->eos;
  variables["add_generation_prompt"] = !chat.continue_final_message;
  if (!chat.continue_final_message) return run(variables);

  if (chat.messages.empty()) return bad_input("there is no final message to continue");
  Json& content = variables["messages"].back()["content"];
  content = chat.messages.back().content + kContinueTag;
  QEVAL_TRY(std::string text, run(variables));
  const std::string tag = kContinueTag;
  const size_t at = text.rfind(tag.substr(0, tag.size() - 1));
  if (at == std::string::npos) return bad_input("the model's chat template drops the final message, so it cannot be continued");
  const bool kept_space = text.compare(at, tag.size(), tag) == 0;
  text.resize(at);
  return kept_space ? text : py_rstrip(text);
}

}  // namespace qeval
