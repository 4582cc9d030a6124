#include "qeval/runner/planted_conversation.h"

#include <algorithm>
#include <iterator>

namespace qeval {

Result<PlantedConversation> play_planted(const Task& task, Sample sample,
                                         const std::function<std::string(const Request& request, size_t turn)>& answer) {
  PlantedConversation out{std::move(sample), {}};
  while (true) {
    while (out.responses.size() < out.sample.requests.size()) {
      const size_t turn = out.responses.size();
      Response response;
      response.finish = FinishReason::end_of_turn;
      response.text = answer(out.sample.requests[turn], turn);
      out.responses.push_back(std::move(response));
    }
    QEVAL_TRY(std::vector<Request> more, task.follow_up(out.sample, out.responses));
    if (more.empty()) return out;
    std::move(more.begin(), more.end(), std::back_inserter(out.sample.requests));
  }
}

}  // namespace qeval
