#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "qeval/registry/dataset_catalogue.h"
#include "qeval/registry/model_registry.h"
#include "qeval/registry/preset_registry.h"
#include "qeval/registry/published.h"

// Whatever is accepted as a row can be written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  if (auto models = qeval::parse_models(text, "fuzz.yaml")) {
    for (const qeval::ModelSpec& model : *models) {
      (void)qeval::params_from_shape(model);
      if (!qeval::parse_models(qeval::model_yaml(model), "again.yaml")) std::abort();
    }
  }
  (void)qeval::parse_preset(text, "fuzz.yaml");
  (void)qeval::parse_published(text, "fuzz.yaml");
  (void)qeval::parse_dataset_catalogue(text, "fuzz.yaml");
  return 0;
}
