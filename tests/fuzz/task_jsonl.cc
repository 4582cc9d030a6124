#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "qeval/task/doc_hash.h"
#include "qeval/task/rows.h"

// Documents in any bytes: the first byte picks the format.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr const char* kFiles[] = {"f.jsonl", "f.json", "f.csv", "f.tsv"};
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  qeval::RowOptions options;
  if (data[0] & 4) options.has_header = false;
  if (data[0] & 8) options.field = "data";
  auto rows = qeval::parse_rows(text, kFiles[data[0] & 3], options);
  if (!rows) {
    if (rows.error().kind != qeval::ErrorKind::bad_input || rows.error().message.find("f.") == std::string::npos) __builtin_trap();
    return 0;
  }
  qeval::unify_columns(*rows);
  for (const qeval::Json& row : *rows) qeval::doc_hash(row);
  return 0;
}
