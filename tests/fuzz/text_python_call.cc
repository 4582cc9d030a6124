#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qeval/text/python_call.h"
#include "qeval/util/json.h"

// Any text is read as Python calls or refused at a place inside it; values become JSON.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view in(reinterpret_cast<const char*>(data), size);
  auto calls = qeval::read_python_calls(in);
  if (!calls) {
    if (calls.error().offset > in.size() || calls.error().message.empty()) std::abort();
    return 0;
  }
  for (const qeval::PyCall& call : *calls) (void)qeval::dump_json(qeval::to_json(call.arguments));
  return 0;
}
