// Documents that people edit: reading them never crashes, and no kept text is lost or grows by rewriting.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "qeval/report/tracker.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qeval;
  std::string text(reinterpret_cast<const char*>(data), size);
  TrackerInput input;
  if (auto imported = import_tracker_v1(text)) input.imported = *imported;
  input.adopted = text;
  auto kept = kept_texts(text);
  if (!kept) kept = std::map<std::string, std::string>();
  std::string document = render_tracker(input, *kept);
  auto again = kept_texts(document);
  if (!is_own_tracker(document) || !again) std::abort();
  for (const auto& [name, written] : *kept) {
    std::string whole = written.empty() || written.back() == '\n' ? written : written + "\n";
    if (!whole.empty() && (*again)[name] != whole) std::abort();
  }
  if (render_tracker(input, *again) != document) std::abort();
  return 0;
}
