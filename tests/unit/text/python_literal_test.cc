#include "qeval/text/python_literal.h"

#include <gtest/gtest.h>

#include <limits>

#include "cases.h"

namespace qeval {
namespace {

TEST(PythonLiteral, FloatsPrintAsPythonPrintsThem) {
  Json file = load_cases("strings.json");
  ASSERT_GT(file["floats"].size(), 20u);
  for (const Json& c : file["floats"]) {
    std::string hex = c[0];
    EXPECT_EQ(python_float_repr(std::strtod(hex.c_str(), nullptr)), c[1].get<std::string>()) << hex;
  }
  EXPECT_EQ(python_float_repr(std::numeric_limits<double>::quiet_NaN()), "nan");
}

TEST(PythonLiteral, ValuesPrintAsPythonPrintsThem) {
  Json file = load_cases("strings.json");
  ASSERT_GT(file["values"].size(), 10u);
  for (const Json& c : file["values"]) EXPECT_EQ(python_repr(c[0]), c[1].get<std::string>());
  EXPECT_EQ(python_str("it's"), "it's");
  EXPECT_EQ(python_str(Json::array({"it's"})), "[\"it's\"]");
}

TEST(PythonLiteral, ReadsWhatPythonReads) {
  Json cases = load_cases("literals.json");
  ASSERT_GT(cases.size(), 100u);
  for (const Json& c : cases) {
    std::string in = c["in"];
    auto value = python_literal_eval(in);
    if (c.contains("error")) {
      EXPECT_FALSE(value) << in << " gave " << dump_json(*value);
    } else if (!value) {
      ADD_FAILURE() << in << ": " << value.error().message;
    } else {
      EXPECT_EQ(*value, c["value"]) << in;
      EXPECT_EQ(value->type() == Json::value_t::number_float, c["value"].type() == Json::value_t::number_float) << in;
    }
  }
}

TEST(PythonLiteral, ReprIsReadBack) {
  Json value = {"a\nb", "it's \"q\"", "\x1b[0m", "中", 1.5, nullptr, true, {{"k", Json::array({1, "\\"})}}};
  auto back = python_literal_eval(python_repr(value));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, value);
}

TEST(PythonLiteral, HostileTextEnds) {
  EXPECT_FALSE(python_literal_eval(std::string(1'000'000, '[')));
  EXPECT_FALSE(python_literal_eval(std::string(1'000'000, '(')));
  EXPECT_FALSE(python_literal_eval(std::string(1'000'000, '-')));
  EXPECT_FALSE(python_literal_eval("99999999999999999999"));
  EXPECT_FALSE(python_literal_eval(std::string("'\0'", 3)));
  std::string dict = "{";
  for (int i = 0; i < 100'000; ++i) dict += std::to_string(i) + ":0,";
  EXPECT_EQ(python_literal_eval(dict + "}")->size(), 100'000u);
}

}  // namespace
}  // namespace qeval
