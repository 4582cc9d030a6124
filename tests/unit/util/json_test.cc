#include "qeval/util/json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace qeval {
namespace {

using testing::HasSubstr;

TEST(ParseJson, KeepsOrderAndNumberKinds) {
  auto value = parse_json(R"({"z": 1, "a": 2.0, "m": [1e2, -3, 18446744073709551615, true, null, {"": []}]})");
  ASSERT_TRUE(value);
  EXPECT_EQ(dump_json(*value), R"({"z":1,"a":2.0,"m":[100.0,-3,18446744073709551615,true,null,{"":[]}]})");
  EXPECT_TRUE((*value)["z"].is_number_integer());
  EXPECT_TRUE((*value)["a"].is_number_float());
}

// As Python's json does: the last value, at the first one's place.
TEST(ParseJson, LastOfRepeatedKeysWins) {
  EXPECT_EQ(dump_json(*parse_json(R"({"a": 1, "b": 2, "a": {"c": 3}})")), R"({"a":{"c":3},"b":2})");
  std::string text = "{", expected = "{\"k0\":[],";
  for (int i = 0; i < 100; ++i) {
    text += fmt::format("\"k{}\":{},", i, i);
    if (i > 0 && i != 70) expected += fmt::format("\"k{}\":{},", i, i);
    if (i == 70) expected += "\"k70\":\"late\",";
  }
  text += "\"k70\":\"late\",\"k0\":[]}";
  expected.back() = '}';
  EXPECT_EQ(dump_json(*parse_json(text)), expected);
}

TEST(ParseJson, LargeObjectsDoNotCostQuadraticTime) {
  std::string text = "{";
  for (int i = 0; i < 300000; ++i) text += fmt::format("\"key {}\":0,", i);
  text.back() = '}';
  auto value = parse_json(text);  // with a search of all keys at each insertion: minutes, the test's time-out
  ASSERT_TRUE(value);
  EXPECT_EQ(value->size(), 300000u);
}

TEST(ParseJson, ErrorsNameThePlace) {
  EXPECT_THAT(parse_json("{\"a\": 1,\n \"b\" 2}").error().message, HasSubstr("not valid JSON at line 2, column 7: "));  // characters read
  EXPECT_THAT(parse_json("").error().message, HasSubstr("line 1, column 1: "));
  EXPECT_THAT(parse_json("[1e999]").error().message, HasSubstr("number overflow"));
  EXPECT_THAT(parse_json("[1] x").error().message, HasSubstr("expected end of input"));
  EXPECT_FALSE(parse_json("\"\xff\""));
  EXPECT_THAT(parse_json(std::string("[1]\n\0 x", 7)).error().message, HasSubstr("line 2, column 1: a NUL byte"));
  EXPECT_THAT(parse_json(std::string(600, '[')).error().message, HasSubstr("deeper than 512"));
}

}  // namespace
}  // namespace qeval
