#include <gtest/gtest.h>

#include "qeval/core/tool_call.h"
#include "qeval/tools/parse_calls.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

Json cases(const std::string& name) {
  auto text = read_file(std::string(QEVAL_SOURCE_DIR) + "/tests/cases/tools/" + name);
  EXPECT_TRUE(text);
  auto json = parse_json(*text);
  EXPECT_TRUE(json);
  return *json;
}

Json calls_json(const std::vector<Call>& calls) {
  Json out = Json::array();
  for (const Call& call : calls) out.push_back({{"name", call.name}, {"arguments", call.arguments_json()}});
  return out;
}

TEST(ParseCalls, Cases) {
  Json file = cases("parse_calls.json");
  for (const Json& c : file["cases"]) {
    SCOPED_TRACE(json_string(c, "name"));
    ParsedCalls parsed = parse_calls(json_string(c, "text"), *call_syntax_from(json_string(c, "syntax")), file["tools"]);
    EXPECT_EQ(parsed.fault ? to_string(parsed.fault->failure_class) : "", json_string(c, "fault")) << (parsed.fault ? parsed.fault->detail : "");
    EXPECT_EQ(dump_json(calls_json(parsed.calls)), dump_json(c.contains("calls") ? c["calls"] : Json::array()));
    if (parsed.fault) {
      EXPECT_NE(parsed.fault->detail.find(json_string(c, "detail")), std::string::npos) << parsed.fault->detail;
    }
    if (c.contains("content")) {
      EXPECT_EQ(parsed.content, json_string(c, "content"));
    }
  }
}

TEST(ParseCalls, CheckedAgainstTheTools) {
  Json file = cases("check_call.json");
  for (const Json& c : file["cases"]) {
    SCOPED_TRACE(json_string(c, "name"));
    ParsedCalls parsed = parse_calls(json_string(c, "call"), CallSyntax::native, file["tools"]);
    ASSERT_EQ(parsed.calls.size(), 1u);
    auto fault = check_call(parsed.calls[0], file["tools"]);
    EXPECT_EQ(fault ? to_string(fault->failure_class) : "", json_string(c, "fault"));
    if (fault) {
      EXPECT_NE(fault->detail.find(json_string(c, "detail")), std::string::npos) << fault->detail;
    }
  }
}

TEST(ParseCalls, ServerCallsComeBackAsTheyWere) {
  std::string text = text_with_tool_calls("Let me see.", {{"1", "f", R"({"a": 1})"}, {"2", "g \"x\"", ""}});
  ParsedCalls parsed = parse_calls(text, CallSyntax::native, nullptr);
  ASSERT_FALSE(parsed.fault) << parsed.fault->detail;
  EXPECT_EQ(dump_json(calls_json(parsed.calls)), R"([{"name":"f","arguments":{"a":1}},{"name":"g \"x\"","arguments":{}}])");
  EXPECT_EQ(parsed.content, "Let me see.");
}

TEST(ParseCalls, KeepsWhatDecidesTypes) {
  ParsedCalls parsed = parse_calls("f(a=(1, 2), b=5.0, c=12345678901234567890123, d=True)", CallSyntax::python, nullptr);
  ASSERT_EQ(parsed.calls.size(), 1u);
  const PyValue& arguments = parsed.calls[0].arguments;
  EXPECT_TRUE(arguments.find("a")->is(PyValue::Kind::tuple));
  EXPECT_TRUE(arguments.find("b")->is(PyValue::Kind::real));
  EXPECT_EQ(arguments.find("c")->text, "12345678901234567890123");
  EXPECT_TRUE(arguments.find("d")->is(PyValue::Kind::boolean));
}

// Deep nesting and long answers are classed; were the work quadratic or recursive, this would not end in time.
TEST(ParseCalls, HostileAnswersAreClassed) {
  const size_t deep = 10'000, long_text = 10'000'000;
  std::string many_keys = "{\"name\": \"f\", \"arguments\": {";
  for (int i = 0; i < 300'000; ++i) many_keys += (i ? ", \"k" : "\"k") + std::to_string(i) + "\": " + std::to_string(i);
  many_keys += "}}";
  const std::vector<std::string> texts = {
      std::string(deep, '['), std::string(deep, '{'), std::string(deep, '('), "f(a=" + std::string(deep, '[') + std::string(deep, ']') + ")",
      "<tool_call>" + std::string(deep, '[') + std::string(deep, ']'), std::string(long_text, '['), std::string(long_text, '-'),
      "f(a=" + std::string(long_text, '-') + "1)", std::string(long_text, 'x'), std::string(long_text, '"'),
      "f(a='" + std::string(long_text, 'x'), std::string(long_text, '`'), std::string(long_text, '\n'), many_keys};
  for (CallSyntax syntax : {CallSyntax::native, CallSyntax::python, CallSyntax::json, CallSyntax::java})
    for (const std::string& text : texts) {
      ParsedCalls parsed = parse_calls(text, syntax, nullptr);
      // Java's values are source text, whatever it is.
      bool source = syntax == CallSyntax::java && text.size() > long_text && text[4] == '-';
      bool read = source || (syntax == CallSyntax::json && text == many_keys);
      EXPECT_EQ(parsed.fault.has_value(), !read) << text.substr(0, 20) << " " << static_cast<int>(syntax);
    }
  std::string tags, parameters = "<function=f>";
  for (int i = 0; i < 500'000; ++i) tags += "<tool_call>", parameters += "<parameter=a>";
  EXPECT_TRUE(parse_calls(tags, CallSyntax::native, nullptr).fault);
  EXPECT_TRUE(parse_calls(parameters, CallSyntax::native, nullptr).fault);
}

}  // namespace
}  // namespace qeval
