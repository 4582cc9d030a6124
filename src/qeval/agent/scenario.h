#pragma once

#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/random.h"

// Private to agent/: how the templates of the four worlds are written down.
namespace qeval::agent {

// One task while a template fills it in.
class Scenario {
 public:
  Json state;

  // The user's next turn.
  void user(const std::string& text) { user_.push_back({{"say", text}, {"answers", Json::array()}, {"nudge", "Yes, please do that now."}}); }
  // What the user says when a message of the agent in this turn holds one of these words.
  void answer(const std::vector<std::string>& about, const std::string& text);
  // What the user says to any other question, once in this turn; "" = goes on.
  void nudge(const std::string& text) { user_.back()["nudge"] = text; }
  void hide(const std::string& tool) { hidden_.push_back(tool); }
  void fault(const std::string& tool, const std::vector<int>& calls, const std::string& message);
  void ask_first() { ask_first_ = true; }
  // A final state that counts, as changes of the first one; without any, the state must stay as it is.
  void accept(const std::vector<Json>& patch) { accepted_.push_back(patch); }
  void forbid(const std::string& tool, const Json& arguments = Json::object()) { forbidden_.push_back({{"tool", tool}, {"arguments", arguments}}); }
  void require(const std::vector<std::string>& any) { required_.push_back(any); }
  void require_refusal();
  // The gold trajectory.
  void call(const std::string& tool, const Json& arguments) { calls(Json::array({{{"name", tool}, {"arguments", arguments}}})); }
  void calls(const Json& list) { gold_.push_back({{"calls", list}}); }
  void say(const std::string& text) { gold_.push_back({{"say", text}}); }

  // Everything but id, world, template and kind.
  Json document() const;

 private:
  Json user_ = Json::array(), hidden_ = Json::array(), faults_ = Json::array(), accepted_ = Json::array(),
       forbidden_ = Json::array(), required_ = Json::array(), gold_ = Json::array();
  bool ask_first_ = false;
};

struct TaskTemplate {
  const char* name;
  const char* kind;
  void (*fill)(PyRandom& random, Scenario& scenario);
};
const std::vector<TaskTemplate>& files_templates();
const std::vector<TaskTemplate>& office_templates();
const std::vector<TaskTemplate>& shop_templates();
const std::vector<TaskTemplate>& tickets_templates();

// JSON Patch operations; `keys` become a JSON pointer.
Json put(const std::vector<std::string>& keys, const Json& value);  // adds or replaces; last key "-" appends to a list
Json drop(const std::vector<std::string>& keys);

inline int between(PyRandom& random, int low, int high) { return static_cast<int>(random.randint(low, high)); }
// `n` different entries, in random order.
template <typename T>
std::vector<T> pick(PyRandom& random, const std::vector<T>& from, size_t n) {
  std::vector<T> out;
  for (size_t i : random.sample(from.size(), n)) out.push_back(from[i]);
  return out;
}
const std::vector<std::string>& first_names();
std::string capitalised(std::string word);

}  // namespace qeval::agent
