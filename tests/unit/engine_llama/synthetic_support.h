#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "qeval/engine/llama/llama_engine.h"
#include "qeval/engine/llama/model_maker.h"
#include "qeval/util/file.h"

namespace qeval {

// One folder for the test process, removed at its end.
inline std::string temp_path(const std::string& name) {
  struct Folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("qeval_llama_test_" + std::to_string(getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static Folder folder;
  return (folder.path / name).string();
}

inline SyntheticModelOptions tiny_options(const std::string& architecture) {
  SyntheticModelOptions options;
  options.architecture = architecture;
  options.like.id = "tiny";
  options.like.family = architecture;
  options.like.n_layers = 4;
  options.like.n_kv_layers = architecture == "qwen35" ? 1 : 4;
  options.like.d_model = 1024;
  options.like.n_heads = 16;
  options.like.n_kv_heads = 8;
  options.like.head_dim = architecture == "qwen35" ? 256 : 128;
  options.like.d_ff = 3072;
  options.like.n_experts = architecture == "qwen3moe" ? 8 : 0;
  options.like.n_experts_used = architecture == "qwen3moe" ? 2 : 0;
  options.like.state_mib_per_seq = architecture == "qwen35" ? 3.2 : 0;
  options.like.context = 2048;
  options.d_model = 64;
  return options;
}

// Path of a tiny F32 model, made once per test process.
inline std::string synthetic_model(const std::string& architecture) {
  const std::string path = temp_path(architecture + ".gguf");
  if (file_exists(path)) return path;
  const Status made = make_synthetic_gguf(tiny_options(architecture), path);
  EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
  return path;
}

inline std::unique_ptr<Engine> load_synthetic(const std::string& path, Preset preset = {}) {
  LlamaOptions options;
  options.model_path = path;
  options.preset = std::move(preset);
  options.n_threads = 1;  // barriers between threads cost more than such a model
  auto engine = load_llama_engine(options);
  EXPECT_TRUE(engine.has_value()) << (engine ? "" : engine.error().message);
  return engine ? std::move(*engine) : nullptr;
}

}  // namespace qeval
