#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "qeval/task/config.h"
#include "qeval/task/loaded_task.h"
#include "qeval/task/task_config.h"

// A whole task file: read, checked and, where it can be, its prompts built over two documents. Must end in a task or an
// error of bad input or usage.
namespace {

const std::string& folder() {
  static const std::string path = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "qeval_fuzz_XXXXXX").string();
    std::string made = ::mkdtemp(pattern.data());
    std::ofstream(made + "/d.jsonl") << R"({"question": "1+1?", "answer": "2", "choices": ["1", "2"], "label": 1})" "\n"
                                     << R"({"question": "é [x]", "answer": "4", "choices": ["3", "4"], "label": 0})" "\n";
    return made;
  }();
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string file = folder() + "/t.yaml";
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  auto merged = qeval::load_merged({file, false});
  if (!merged) return merged.error().kind == qeval::ErrorKind::bad_input ? 0 : (__builtin_trap(), 0);
  auto config = qeval::parse_task_config(*merged);
  if (!config) return config.error().kind == qeval::ErrorKind::bad_input ? 0 : (__builtin_trap(), 0);
  config->dataset_path = "json";
  config->dataset_kwargs = {{"data_files", {{*config->eval_split(), folder() + "/d.jsonl"}}}};
  qeval::TaskSources sources;
  sources.offline = true;
  qeval::TaskOverrides overrides;
  overrides.apply_chat_template = size % 2 == 1;
  if (config->spec.num_fewshot > 1) overrides.num_fewshot = 1;
  if (config->spec.repeats > 3) overrides.repeats = 3;
  auto task = qeval::make_task(std::move(*config), overrides, sources, nullptr);
  if (!task) return 0;
  auto render = [](const qeval::ChatPrompt& chat) -> qeval::Result<std::string> {
    std::string out;
    for (const auto& message : chat.messages) out += message.role + ":" + message.content;
    return out;
  };
  for (size_t i = 0; i < (*task)->doc_ids().size(); ++i) (*task)->build(i, render);
  (*task)->identity();
  return 0;
}
