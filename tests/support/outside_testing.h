#pragma once

#include "qeval/tools/outside_tools.h"

namespace qeval::testing {

// Tools that answer "NAME ARGUMENTS" to every call, and a checker that says what the test wants.
class EchoTools : public OutsideTools {
 public:
  bool broken = false;               // the tools themselves fail
  std::optional<CallFault> fault;    // a call does not come back
  OutsideVerdict verdict;
  int n_carried_out = 0;
  Json judged;                       // the turns that were judged last

  std::string missing() const override { return ""; }
  std::string version() const override { return "echo 1"; }
  Result<std::string> backend() override { return std::string("echo"); }
  Result<OutsideRun> carry_out(const Json&, const Json& turns) override {
    ++n_carried_out;
    if (broken) return fail(ErrorKind::environment, "the tools are broken");
    if (fault) return OutsideRun{nullptr, fault};
    OutsideRun out;
    out.results = Json::array();
    for (const Json& turn : turns) {
      Json steps = Json::array();
      for (const Json& step : turn) {
        Json texts = Json::array();
        for (const Json& call : step) texts.push_back(json_string(call, "name") + " " + dump_json(call["arguments"]));
        steps.push_back(std::move(texts));
      }
      out.results.push_back(std::move(steps));
    }
    return out;
  }
  Result<OutsideVerdict> judge(const Json&, const Json& turns, const Json&) override {
    if (broken) return fail(ErrorKind::environment, "the tools are broken");
    judged = turns;
    return verdict;
  }
  Result<Json> read_accepted(const Json&, const Json&) override { return Json::array(); }
};

// Two turns and one, in between, in which the function `late` appears.
inline Json user_turns_doc() {
  auto tool = [](const char* name) {
    return Json{{"name", name}, {"description", "d"}, {"parameters", {{"type", "object"}, {"properties", {{"x", {{"type", "integer"}}}}}, {"required", Json::array()}}}};
  };
  auto listed = [](const Json& doc) { return Json{{"type", "function"}, {"function", doc}}; };
  auto says = [](const char* text) { return Json::array({{{"role", "user"}, {"content", text}}}); };
  return {{"id", "multi_turn_base_0"}, {"initial_config", Json::object()}, {"involved_classes", {"A"}},
          {"turns", {says("Begin."), Json::array(), says("Go on.")}},
          {"ground_truth", {Json::array({"early(x=1)"}), Json::array({"late(x=2)"}), Json::array()}},
          {"tools", Json::array({listed(tool("early"))})}, {"docs", Json::array({tool("early")})},
          {"added", {{"1", {{"tools", Json::array({listed(tool("late"))})}, {"docs", Json::array({tool("late")})}}}}}};
}

}  // namespace qeval::testing
