// Answers of a hostile model, separated by zero bytes, through a conversation of several turns of the user.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../support/outside_testing.h"
#include "qeval/agent/user_turns.h"

using namespace qeval;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  static const Json doc = qeval::testing::user_turns_doc();
  qeval::testing::EchoTools tools;
  const std::string text(reinterpret_cast<const char*>(data + 2), size - 2);
  Sample sample;
  sample.doc = doc;
  sample.requests.push_back(agent::first_request(doc, {static_cast<ToolMode>(data[0] % 3), "", data[1] % 2 == 1}, Request{}));
  std::vector<Response> responses;
  for (size_t at = 0; at <= text.size() && responses.size() < sample.requests.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    Response response;
    response.text = text.substr(at, end - at);
    response.finish = data[1] % 4 > 1 ? FinishReason::length : FinishReason::end_of_turn;
    responses.push_back(std::move(response));
    at = end + 1;
    auto more = agent::next_requests(sample, responses, tools);
    require(more.has_value() && more->size() <= 1);
    sample.requests.insert(sample.requests.end(), more->begin(), more->end());
  }
  const agent::UserTurnsLog log = agent::read_user_turns(sample, responses, 0);
  require((log.end == agent::UserTurnsLog::End::running) == (sample.requests.size() > responses.size()));
  require(log.turns.size() <= doc["turns"].size() && log.ends.size() <= log.turns.size());
  for (const Json& turn : log.turns) require(turn.size() <= static_cast<size_t>(agent::kMaxStepsPerTurn) + 1);
  return 0;
}
