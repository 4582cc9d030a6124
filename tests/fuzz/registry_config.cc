#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "qeval/net/hub.h"
#include "qeval/registry/model_import.h"

// A config.json of anybody: a row with finite numbers or an error. The file's lines are file names for pick_gguf.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  if (auto json = qeval::parse_json(text)) {
    auto model = qeval::model_from_files({"Org/Name-7B", *json, *json, text});
    if (model && (!std::isfinite(model->params_b) || model->params_b < 0 || model->n_kv_layers > model->n_layers))
      std::abort();
  }
  std::vector<qeval::HubFile> files;
  for (size_t at = 0; at < text.size() && files.size() < 100;) {
    size_t end = std::min(text.find('\n', at), text.size());
    files.push_back({text.substr(at, end - at)});
    at = end + 1;
  }
  (void)qeval::pick_gguf(files, "");
  if (!files.empty()) (void)qeval::pick_gguf(files, files[0].path);
  return 0;
}
