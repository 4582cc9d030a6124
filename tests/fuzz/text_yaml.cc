#include <cstddef>
#include <cstdint>
#include <string_view>

#include "qeval/text/yaml.h"

// parse_yaml must end with a value or an error that names the file, whatever the bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto value = qeval::parse_yaml(text, "f.yaml");
  if (!value && value.error().message.find("f.yaml") == std::string::npos) __builtin_trap();
  if (value) qeval::dump_json(*value);
  qeval::yaml_key_line(text, "task");
  return 0;
}
