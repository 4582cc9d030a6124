// Any steps over any responses: no crash, no hang, and what a filter gives obeys its contract.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

#include "qeval/scorer/code_extract.h"
#include "qeval/scorer/filter.h"
#include "qeval/scorer/scorer.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

constexpr const char* kFunctions[] = {
    "take_first", "take_first_k", "majority_vote", "regex", "multi_choice_regex", "regex_pos", "remove_whitespace",
    "lowercase",  "uppercase",    "map",           "custom"};
constexpr const char* kPatterns[] = {R"(#### (\-?[0-9\.\,]+))", R"((-?[$0-9.,]{2,})|(-?[0-9]+))",
                                     R"((?i)answer is:?\s*\(?([A-D])\)?)", R"((?<=is )(.*)(?=\.))", R"((\d*))"};

void require(bool holds) {
  if (!holds) std::abort();
}

FilterStep any_step(FuzzedDataProvider& data) {
  FilterStep step{data.PickValueInArray(kFunctions), Json::object()};
  if (data.ConsumeBool())
    step.arguments["regex_pattern"] =
        data.ConsumeBool() ? valid_utf8(data.ConsumeRandomLengthString(40)) : data.PickValueInArray(kPatterns);
  if (data.ConsumeBool()) step.arguments["group_select"] = data.ConsumeIntegralInRange<int64_t>(-3, 3);
  if (step.function == "take_first_k") step.arguments["k"] = data.ConsumeIntegralInRange<int>(0, 4);
  if (step.function == "map") step.arguments["mapping_dict"] = {{"A", 1}, {"", nullptr}};
  if (step.function == "custom")
    step.arguments["filter_fn"] = data.ConsumeBool() ? "build_predictions" : "extract_code_blocks";
  return step;
}

void check_known_filters(const std::string& text, const Sample& sample) {
  static const std::vector<FilterChain> chains = [] {
    std::vector<FilterChain> out;
    for (const char* pattern : kPatterns) {
      auto chain = FilterChain::compile(
          {"f", {{"regex", {{"regex_pattern", pattern}, {"group_select", -1}}}, {"take_first", {}}}}, TaskSpec());
      require(chain.has_value());
      out.push_back(std::move(*chain));
    }
    return out;
  }();
  for (const FilterChain& chain : chains) {
    Filtered out = chain.apply({text}, sample);
    require(out.single && out.values.size() == 1);
    std::string found = filtered_text(out.values[0]);
    require(out.fallback ? found.empty() || found == "[invalid]" : text.find(found) != std::string::npos);
  }
  for (CodeExtract how : {CodeExtract::raw, CodeExtract::fence_cut, CodeExtract::first_fence})
    require(text.find(extract_code(how, text)) != std::string::npos);
  for (const std::string& hidden : hidden_programs(text))
    require(!hidden.empty() && text.find(hidden) != std::string::npos);
}

void check_scores(const std::string& text, const std::string& target, const Sample& base, FinishReason finish) {
  TaskSpec spec;
  spec.scoring.metrics = {{"exact_match", "", true, {}}};
  static auto scorer = make_scorer(spec, nullptr);
  require(scorer.has_value());
  Sample sample = base;
  sample.target = target;
  Response response;
  response.text = text;
  response.finish = finish;
  std::vector<Score> scores = (*scorer)->score(sample, {response});
  require(scores.size() == 1 && !scores[0].metrics.empty());
  require((scores[0].failure_class == FailureClass::correct) == (scores[0].metrics[0].second == 1));
}

}  // namespace
}  // namespace qeval

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace qeval;
  FuzzedDataProvider data(bytes, size);
  TaskSpec spec;
  spec.repeats = 3;
  FilterPipeline pipeline{"f", {}};
  for (int n = data.ConsumeIntegralInRange(0, 3); n > 0; --n) pipeline.steps.push_back(any_step(data));
  Sample sample;
  sample.choices = {valid_utf8(data.ConsumeRandomLengthString(20)), "a.b", ""};
  sample.doc = {{"prompt", "p"}};
  std::string target = data.ConsumeRandomLengthString(20);
  FinishReason finish = data.ConsumeBool()   ? FinishReason::length
                        : data.ConsumeBool() ? FinishReason::stop_string
                                             : FinishReason::end_of_turn;
  std::string text = data.ConsumeRemainingBytesAsString(), valid = valid_utf8(text);
  if (auto chain = FilterChain::compile(pipeline, spec)) chain->apply({valid, "b", valid}, sample);
  check_known_filters(valid, sample);
  check_scores(text, target, sample, finish);
  return 0;
}
