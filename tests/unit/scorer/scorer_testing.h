#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "qeval/scorer/scorer.h"
#include "qeval/util/file.h"
#include "qeval/util/json.h"

namespace qeval {

inline Json load_cases(const std::string& name) {
  auto text = read_file(std::string(QEVAL_SOURCE_DIR) + "/tests/cases/scorer/" + name);
  if (!text) ADD_FAILURE() << text.error().message;
  auto json = text ? parse_json(*text) : Result<Json>(Json());
  if (!json) ADD_FAILURE() << json.error().message;
  return json ? *json : Json();
}

// {"function": …, other keys} as the task loader hands it over.
inline FilterStep step_from(const Json& json) {
  FilterStep step{json_string(json, "function"), json};
  step.arguments.erase("function");
  return step;
}

inline FilterPipeline pipeline_from(const std::string& name, const Json& steps) {
  FilterPipeline pipeline{name, {}};
  for (const Json& step : steps) pipeline.steps.push_back(step_from(step));
  return pipeline;
}

inline TaskSpec text_task(std::vector<FilterPipeline> filters = {}, Json em_options = Json::object()) {
  TaskSpec spec;
  spec.name = "a_task";
  spec.file = "tasks/a_task.yaml";
  spec.scoring.output_type = OutputType::generate_until;
  spec.scoring.filters = std::move(filters);
  spec.scoring.metrics = {{"exact_match", "mean", true, std::move(em_options)}};
  return spec;
}

inline const Json& gsm8k_options() {
  static const Json options = {
      {"ignore_case", true}, {"ignore_punctuation", false}, {"regexes_to_ignore", {",", "\\$", "(?s).*#### ", "\\.$"}}};
  return options;
}

inline TaskSpec gsm8k() {
  return text_task(
      {pipeline_from("strict-match", {{{"function", "regex"}, {"regex_pattern", "#### (\\-?[0-9\\.\\,]+)"}},
                                      {{"function", "take_first"}}}),
       pipeline_from("flexible-extract",
                     {{{"function", "regex"}, {"group_select", -1}, {"regex_pattern", "(-?[$0-9.,]{2,})|(-?[0-9]+)"}},
                      {{"function", "take_first"}}})},
      gsm8k_options());
}

inline Sample text_sample(const std::string& target) {
  Sample sample;
  sample.target = target;
  sample.requests.resize(1);
  return sample;
}

inline Response answer(const std::string& text, FinishReason finish = FinishReason::end_of_turn) {
  Response response;
  response.text = text;
  response.finish = finish;
  return response;
}

inline double metric_of(const Score& score, const std::string& name) {
  for (const auto& [metric, value] : score.metrics)
    if (metric == name) return value;
  ADD_FAILURE() << "no metric " << name;
  return -1;
}

// Runs the tests' own programs with the machine's Python, so that its real messages are classified. Isolates nothing;
// not thread-safe.
class LocalPython : public Sandbox {
 public:
  std::string backend() const override { return "local"; }
  ProgramRun run(const std::string& program, const SandboxLimits&) override {
    static std::map<std::string, ProgramRun> known;
    auto [it, is_new] = known.try_emplace(program);
    if (is_new) it->second = run_now(program);
    return it->second;
  }

 private:
  static ProgramRun run_now(const std::string& program) {
    static int counter = 0;
    std::string path =
        testing::TempDir() + "qeval_local_" + std::to_string(getpid()) + "_" + std::to_string(++counter) + ".py";
    std::ofstream(path, std::ios::binary) << program;
    std::string command =
        "python3 -I -S " + std::string(QEVAL_SOURCE_DIR) + "/tests/unit/scorer/local_python.py " + path;
    std::string output;
    FILE* pipe = popen(command.c_str(), "r");
    for (int c; pipe && (c = fgetc(pipe)) != EOF;) output += static_cast<char>(c);
    if (pipe) pclose(pipe);
    std::filesystem::remove(path);
    ProgramRun out;
    size_t end = output.find('\n');
    std::string verdict = output.substr(0, end);
    out.detail = end == std::string::npos ? "" : output.substr(end + 1);
    for (SandboxVerdict v :
         {SandboxVerdict::passed, SandboxVerdict::failed, SandboxVerdict::runtime_error, SandboxVerdict::syntax_error})
      if (verdict == name_of(v)) out.verdict = v;
    return out;
  }

  static const char* name_of(SandboxVerdict v) {
    switch (v) {
      case SandboxVerdict::passed:
        return "passed";
      case SandboxVerdict::failed:
        return "failed";
      case SandboxVerdict::runtime_error:
        return "runtime_error";
      default:
        return "syntax_error";
    }
  }
};

}  // namespace qeval
