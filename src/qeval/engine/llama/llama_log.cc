#include "qeval/engine/llama/llama_log.h"

#include <deque>
#include <mutex>

#include "common.h"
#include "llama.h"
#include "log.h"
#include "qeval/engine/llama/matrix_backend.h"

namespace qeval {
namespace {

struct Line {
  uint64_t number;
  bool complaint;
  std::string text;
};
constexpr size_t kKeptLines = 400;

struct Store {
  std::mutex mutex;
  std::deque<Line> lines;
  uint64_t next = 0;
  ggml_log_level level = GGML_LOG_LEVEL_NONE;
  bool open = false;  // the last line has no newline yet
};
Store& store() {
  static Store* instance = new Store;  // outlives every thread that may still log
  return *instance;
}

void keep(ggml_log_level level, const char* text, void*) {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  if (level != GGML_LOG_LEVEL_CONT) s.level = level;
  std::string piece = text ? text : "";
  const bool ends = !piece.empty() && piece.back() == '\n';
  while (!piece.empty() && piece.back() == '\n') piece.pop_back();
  const bool complaint = s.level == GGML_LOG_LEVEL_ERROR || s.level == GGML_LOG_LEVEL_WARN;
  if (s.open && level == GGML_LOG_LEVEL_CONT && !s.lines.empty()) {
    s.lines.back().text += piece;
  } else if (!piece.empty()) {
    s.lines.push_back({s.next++, complaint, std::move(piece)});
    if (s.lines.size() > kKeptLines) s.lines.pop_front();
  }
  s.open = !ends;
}

}  // namespace

void LlamaLog::install() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(keep, nullptr);
    common_log_pause(common_log_main());  // llama-common has a logger of its own, which would print
    llama_backend_init();
    register_matrix_backend();
  });
}

uint64_t LlamaLog::mark() {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  return s.next;
}

std::string LlamaLog::complaints_since(uint64_t mark, size_t n) {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  std::string out;
  size_t found = 0;
  for (auto line = s.lines.rbegin(); line != s.lines.rend() && line->number >= mark && found < n; ++line) {
    if (!line->complaint) continue;
    out = out.empty() ? line->text : line->text + "\n" + out;
    ++found;
  }
  return out;
}

}  // namespace qeval
