#include "qeval/engine/llama/synthetic_vocab.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "qeval/engine/llama/llama_log.h"

namespace qeval {
namespace {

// Values of tokenizer.ggml.token_type.
constexpr int32_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<std::string> merges;
};

std::string utf8(int point) {
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xC0 | (point >> 6)), static_cast<char>(0x80 | (point & 0x3F))};
}

// Byte-level BPE writes each byte as a printable character: itself where it is one, else the next free from U+0100.
std::vector<std::string> byte_characters() {
  std::vector<std::string> out;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    out.push_back(utf8(printable ? byte : next++));
  }
  return out;
}

Vocabulary own_vocabulary() {
  Vocabulary out;
  const std::vector<std::string> bytes = byte_characters();
  out.tokens = bytes;
  const std::string space = bytes[' '];
  // A few merges, so that tokens of more than one byte exist and boundaries can move.
  const std::pair<std::string, std::string> merges[] = {
      {space, "t"}, {"h", "e"}, {space + "t", "he"}, {space, "a"}, {"i", "n"}, {"r", "e"}, {"o", "n"}, {"e", "r"},
      {space, "s"}, {"a", "n"}, {space + "a", "n"}, {"n", "d"}, {space, "w"}, {"e", "s"}, {"i", "s"}, {"o", "u"}};
  for (const auto& [left, right] : merges) {
    out.merges.push_back(left + " " + right);
    out.tokens.push_back(left + right);
  }
  out.types.assign(out.tokens.size(), kNormal);
  for (const char* control : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    out.tokens.push_back(control);
    out.types.push_back(kControl);
  }
  for (const char* defined : {"<think>", "</think>", "<tool_call>", "</tool_call>"}) {
    out.tokens.push_back(defined);
    out.types.push_back(kUserDefined);
  }
  return out;
}

constexpr const char* kTemplate =
    "{%- if tools %}{{- '<|im_start|>system\\nTools: ' + (tools | tojson) + '<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}";

int find_token(const Vocabulary& vocabulary, const std::string& text) {
  auto at = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), text);
  return at == vocabulary.tokens.end() ? -1 : static_cast<int>(at - vocabulary.tokens.begin());
}

void set_strings(gguf_context* model, const char* key, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  gguf_set_arr_str(model, key, pointers.data(), pointers.size());
}

Result<Vocabulary> read_vocabulary(gguf_context* model, const std::string& path) {
  LlamaLog::install();
  const uint64_t mark = LlamaLog::mark();
  std::unique_ptr<gguf_context, decltype(&gguf_free)> file(gguf_init_from_file(path.c_str(), {true, nullptr}), gguf_free);
  if (!file) return bad_input(path + ": not a readable GGUF file\n" + LlamaLog::complaints_since(mark));
  const int64_t tokens = gguf_find_key(file.get(), "tokenizer.ggml.tokens");
  if (tokens < 0) return bad_input(path + ": the file holds no tokenizer");
  std::vector<std::string> foreign;
  for (int64_t id = 0; id < gguf_get_n_kv(file.get()); ++id) {
    const std::string key = gguf_get_key(file.get(), id);
    if (key.rfind("tokenizer.", 0) != 0) foreign.push_back(key);
  }
  Vocabulary out;
  for (size_t i = 0; i < gguf_get_arr_n(file.get(), tokens); ++i) out.tokens.push_back(gguf_get_arr_str(file.get(), tokens, i));
  out.types.assign(out.tokens.size(), kNormal);
  const int64_t types = gguf_find_key(file.get(), "tokenizer.ggml.token_type");
  if (types >= 0 && gguf_get_arr_n(file.get(), types) == out.types.size())
    std::memcpy(out.types.data(), gguf_get_arr_data(file.get(), types), out.types.size() * sizeof(int32_t));
  for (const std::string& key : foreign) gguf_remove_key(file.get(), key.c_str());
  gguf_set_kv(model, file.get());
  return out;
}

// The vocabulary file of Qwen2 names only its first specials; these are what Qwen3's tokenizer has at the later ids.
void name_later_specials(Vocabulary& vocabulary) {
  const std::pair<size_t, const char*> names[] = {
      {151657, "<tool_call>"}, {151658, "</tool_call>"}, {151667, "<think>"}, {151668, "</think>"}};
  for (const auto& [id, name] : names) {
    if (id >= vocabulary.tokens.size() || vocabulary.tokens[id].rfind("[PAD", 0) != 0) continue;
    vocabulary.tokens[id] = name;
    vocabulary.types[id] = kUserDefined;
  }
}

}  // namespace

Result<int> write_tokenizer(gguf_context* model, const std::string& vocab_gguf, int n_rows) {
  Vocabulary vocabulary;
  if (vocab_gguf.empty()) {
    vocabulary = own_vocabulary();
    gguf_set_val_str(model, "tokenizer.ggml.model", "gpt2");
    gguf_set_val_str(model, "tokenizer.ggml.pre", "qwen2");
    set_strings(model, "tokenizer.ggml.merges", vocabulary.merges);
  } else {
    QEVAL_TRY(vocabulary, read_vocabulary(model, vocab_gguf));
    name_later_specials(vocabulary);
  }
  while (static_cast<int>(vocabulary.tokens.size()) < n_rows) {
    vocabulary.tokens.push_back(fmt::format("[PAD{}]", vocabulary.tokens.size()));
    vocabulary.types.push_back(kUnused);
  }
  set_strings(model, "tokenizer.ggml.tokens", vocabulary.tokens);
  gguf_set_arr_data(model, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, vocabulary.types.data(), vocabulary.types.size());
  const int end_of_text = find_token(vocabulary, "<|endoftext|>"), end_of_turn = find_token(vocabulary, "<|im_end|>");
  if (end_of_turn >= 0) gguf_set_val_u32(model, "tokenizer.ggml.eos_token_id", static_cast<uint32_t>(end_of_turn));
  if (end_of_text >= 0) {
    gguf_set_val_u32(model, "tokenizer.ggml.bos_token_id", static_cast<uint32_t>(end_of_text));
    gguf_set_val_u32(model, "tokenizer.ggml.padding_token_id", static_cast<uint32_t>(end_of_text));
    gguf_set_val_bool(model, "tokenizer.ggml.add_bos_token", false);
  }
  if (gguf_find_key(model, "tokenizer.chat_template") < 0 && end_of_turn >= 0)
    gguf_set_val_str(model, "tokenizer.chat_template", kTemplate);
  return static_cast<int>(vocabulary.tokens.size());
}

}  // namespace qeval
