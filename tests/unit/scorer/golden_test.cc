#include <gtest/gtest.h>

#include "qeval/scorer/exact_match.h"
#include "qeval/scorer/filter.h"
#include "qeval/scorer/metric.h"
#include "scorer_testing.h"

namespace qeval {
namespace {

// The cases hold what lm-evaluation-harness itself answers; see tests/cases/scorer/generate.py.
TEST(Golden, FiltersAnswerAsLmEval) {
  Json cases = load_cases("golden_filters.json");
  ASSERT_GT(cases.size(), 1000u);
  for (const Json& c : cases) {
    TaskSpec spec = text_task();
    spec.repeats = 5;
    auto chain = FilterChain::compile(pipeline_from("golden", c["steps"]), spec);
    ASSERT_TRUE(chain) << chain.error().message;
    Sample sample;
    sample.doc = c["doc"];
    Filtered ours = chain->apply(c["responses"].get<std::vector<std::string>>(), sample);
    Json result = ours.single ? ours.values.at(0) : Json(ours.values);
    EXPECT_EQ(dump_json(result), dump_json(c["expected"])) << dump_json(c["steps"]) << "\n"
                                                           << dump_json(c["responses"]);
  }
}

TEST(Golden, ExactMatchAnswersAsLmEval) {
  Json cases = load_cases("golden_exact_match.json");
  ASSERT_GT(cases.size(), 200u);
  for (const Json& c : cases) {
    auto match = ExactMatch::compile(c["options"], "golden");
    ASSERT_TRUE(match) << match.error().message;
    EXPECT_EQ(match->equal(c["prediction"].get<std::string>(), c["reference"].get<std::string>()), c["expected"] == 1.0)
        << dump_json(c);
  }
}

TEST(Golden, F1AndMatthewsAnswerAsScikitLearn) {
  for (const Json& c : load_cases("golden_pairs.json")) {
    auto pairs = c["pairs"].get<std::vector<std::pair<int64_t, int64_t>>>();
    EXPECT_NEAR(matthews_of_pairs(pairs), c["mcc"].get<double>(), 1e-12);
    if (c.contains("f1")) {
      EXPECT_NEAR(f1_of_pairs(pairs), c["f1"].get<double>(), 1e-12);
    }
  }
}

}  // namespace
}  // namespace qeval
