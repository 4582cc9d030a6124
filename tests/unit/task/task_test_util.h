#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "qeval/task/task.h"
#include "qeval/util/file.h"

namespace qeval::testing_task {

inline std::string folder(const char* variable, const char* fallback) {
  const char* set = std::getenv(variable);
  return set && *set ? set : std::string(QEVAL_SOURCE_DIR) + "/../shared/" + fallback;
}
inline std::string data_dir() { return folder("QEVAL_DATA_DIR", "datasets"); }
inline std::string parity_dir() { return folder("QEVAL_PARITY_DIR", "parity"); }
inline std::string cases_dir() { return std::string(QEVAL_SOURCE_DIR) + "/tests/cases/task"; }

// Data from the shared copies, never from the network.
inline TaskSources shared_sources() {
  TaskSources sources;
  sources.data_dir = data_dir();
  sources.offline = true;
  return sources;
}

// A folder of its own that is removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "qeval_task_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }

 private:
  std::string path_;
};

// ChatML with the default system message that SmolLM2's template puts before a conversation without one.
inline ChatRenderer smollm2_renderer() {
  return [](const ChatPrompt& chat) -> Result<std::string> {
    std::string out;
    if (chat.messages.empty() || chat.messages[0].role != "system")
      out += "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
    for (size_t i = 0; i < chat.messages.size(); ++i) {
      bool open = chat.continue_final_message && i + 1 == chat.messages.size();
      out += "<|im_start|>" + chat.messages[i].role + "\n" + chat.messages[i].content + (open ? "" : "<|im_end|>\n");
    }
    if (!chat.continue_final_message) out += "<|im_start|>assistant\n";
    return out;
  };
}

}  // namespace qeval::testing_task
