#include "qeval/engine/llama/llama_engine.h"
#include "qeval/engine/llama/model.h"
#include "qeval/engine/llama/session.h"

namespace qeval {
namespace {

class GgufTokenizer : public Tokenizer {
 public:
  explicit GgufTokenizer(std::unique_ptr<LlamaModel> model) : model_(std::move(model)) {}
  Result<std::vector<TokenId>> encode(const std::string& text, bool add_special, bool parse_special) const override {
    return model_->encode(text, add_special, parse_special);
  }
  TokenId prefix_token() const override { return model_->prefix_token(); }
  bool has_chat_template() const override { return model_->chat_template() != nullptr; }
  Result<RenderedPrompt> render(const ChatPrompt& chat) const override { return render_chat(*model_, chat); }

 private:
  std::unique_ptr<LlamaModel> model_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_gguf_tokenizer(const std::string& path) {
  LlamaOptions options;
  options.model_path = path;
  options.vocab_only = true;
  QEVAL_TRY(auto model, LlamaModel::load(options));
  return std::make_shared<const GgufTokenizer>(std::move(model));
}

}  // namespace qeval
