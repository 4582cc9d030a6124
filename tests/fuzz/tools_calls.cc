#include <cstdint>
#include <cstdlib>
#include <string>

#include "qeval/text/unicode.h"
#include "qeval/tools/ast_check.h"
#include "qeval/tools/json_text.h"
#include "qeval/tools/parse_calls.h"

// Any answer is read or classed in every syntax; what was read can be shown, checked and written as JSON again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qeval;
  static const Json tools = *parse_json(R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":
      {"a":{"type":"integer"},"b":{"type":"array","items":{"type":"string"}},"c":{"type":"object"},"d":{"type":"boolean"},"e":{"type":"number"}},"required":["a"]}}}])");
  static const Json functions = *parse_json(R"([{"name":"f","parameters":{"type":"dict","required":["a"],"properties":
      {"a":{"type":"integer"},"b":{"type":"array","items":{"type":"string"}},"c":{"type":"dict"},"h":{"type":"HashMap"},"l":{"type":"ArrayList","items":{"type":"String"}}}}}])");
  static const Json accepted = *parse_json(R"([{"f":{"a":[1],"b":[["x"],""],"c":[{"k":["v",""]},""],"h":[{"k":[1]},""],"l":[["x"],""]}}])");
  std::string text = valid_utf8({reinterpret_cast<const char*>(data), size});
  for (CallSyntax syntax : {CallSyntax::native, CallSyntax::python, CallSyntax::json, CallSyntax::java, CallSyntax::javascript}) {
    ParsedCalls parsed = parse_calls(text, syntax, tools);
    if (!parsed.fault && parsed.calls.empty()) std::abort();
    std::string shown = calls_text(parsed.calls);
    if (valid_utf8(shown) != shown) std::abort();
    for (const Call& call : parsed.calls) {
      (void)check_call(call, tools);
      if (!parse_json(dump_json(call.arguments_json()), 2000)) std::abort();
    }
    for (CallLanguage language : {CallLanguage::python, CallLanguage::java, CallLanguage::javascript})
      (void)check_calls({CallCategory::parallel, language, false}, functions, parsed.calls, accepted);
  }
  JsonReading read = read_json(text);
  auto plain = parse_json(text);
  // Another reader of JSON agrees on what is JSON (it refuses deeper nesting and keeps fewer digits).
  if (plain && !text.empty() && read.fault) std::abort();
  return 0;
}
