#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "qeval/engine/openai/reply.h"
#include "qeval/engine/openai/sse_parser.h"
#include "qeval/engine/openai/server_load.h"

using namespace qeval;

namespace {

struct Seen {
  std::vector<std::string> events;
  std::string text;
  bool broken = false;
};

Seen read(std::string_view bytes, size_t piece) {
  Seen seen;
  SseParser parser(4096);
  Reply reply({10000});
  for (size_t at = 0; at < bytes.size(); at += piece)
    if (!parser.feed(bytes.substr(at, piece), [&](std::string_view data) {
          seen.events.emplace_back(data);
          reply.add(data);
          return true;
        }))
      break;
  seen.broken = parser.broken();
  if (reply.text().size() > 10000 + 100 || reply.n_new_tokens() < -1) std::abort();
  seen.text = reply.text() + dump_json(reply.tool_calls());
  return seen;
}

}  // namespace

// However the bytes of a stream are cut, the same events and the same answer come out; nothing grows beyond its bound.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Seen whole = read(bytes, bytes.size() + 1), cut = read(bytes, 1 + data[0] % 17);
  if (!whole.broken && !cut.broken && (whole.events != cut.events || whole.text != cut.text)) std::abort();
  if (auto json = parse_json(bytes, 32)) {
    (void)server_error_of(*json);
    if (auto echo = read_echo(*json, {1, 2, 3}); echo && echo->logprob_nats.size() != 3) std::abort();
    (void)read_top_tokens(*json);
    Reply reply;
    reply.add_json(*json);
  }
  (void)read_load(bytes);
  return 0;
}
