#include "qeval/store/exact_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace qeval {
namespace {

const std::string kMark = "\xF4\x8F\xBF\xBE";

Json round_trip(const Json& value) {
  auto back = decode_json(encode_json(value));
  if (!back) ADD_FAILURE() << back.error().message;
  return back ? *back : Json();
}

TEST(ExactJson, OrdinaryValuesAreOrdinaryJson) {
  Json value = {{"b", 1}, {"a", {1.5, true, nullptr, "ä \" \\ \n"}}};
  EXPECT_EQ(encode_json(value), R"({"b":1,"a":[1.5,true,null,"ä \" \\ \n"]})");
  EXPECT_EQ(round_trip(value), value);
}

TEST(ExactJson, InvalidUtf8ComesBack) {
  for (const std::string& text : {std::string("\xff"), std::string("a\xc3"), std::string("\xed\xa0\x80"),
                                  std::string("\xc0\x80"), std::string("\xf5\x80\x80\x80"), std::string("\0x\x80", 3),
                                  kMark, kMark + "nan", kMark + "--", std::string("\xf4\x8f\xbf")}) {
    EXPECT_EQ(round_trip(text).get<std::string>(), text);
    EXPECT_EQ(round_trip(Json{{text, {text}}}), (Json{{text, {text}}}));
  }
}

TEST(ExactJson, DifferentBytesGiveDifferentText) {
  EXPECT_NE(encode_json("\xfe"), encode_json("\xff"));
  EXPECT_NE(encode_json("\xff"), encode_json("\xef\xbf\xbd"));
  EXPECT_NE(encode_json(kMark + "ff"), encode_json("\xff"));
}

TEST(ExactJson, NumbersComeBackToTheBit) {
  double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(std::isnan(round_trip(std::nan("")).get<double>()));
  EXPECT_EQ(round_trip(infinity), Json(infinity));
  EXPECT_EQ(round_trip(-infinity), Json(-infinity));
  EXPECT_TRUE(std::signbit(round_trip(-0.0).get<double>()));
  for (double value : {0.1, 1.0, 1e300, 5e-324, -2.2250738585072014e-308, 123456789.123456789})
    EXPECT_EQ(round_trip(value).get<double>(), value);
  EXPECT_TRUE(round_trip(1.0).is_number_float());
  EXPECT_TRUE(round_trip(1).is_number_integer());
  EXPECT_EQ(round_trip(std::numeric_limits<uint64_t>::max()), Json(std::numeric_limits<uint64_t>::max()));
}

TEST(ExactJson, RandomBytesComeBack) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (unsigned n = random() % 24; n > 0; --n) {
      if (random() % 6 == 0)
        text += kMark;
      else
        text += static_cast<char>(random() % 3 ? random() % 256 : 0xf0 + random() % 16);
    }
    EXPECT_EQ(round_trip(text).get<std::string>(), text);
  }
}

TEST(ExactJson, RefusesWhatIsBroken) {
  EXPECT_FALSE(decode_json("{"));
  EXPECT_FALSE(decode_json("\"" + kMark + "zz\""));
  EXPECT_FALSE(decode_json("\"" + kMark + "\""));
  EXPECT_FALSE(decode_json("\"" + kMark + "41\""));
  EXPECT_FALSE(decode_json(std::string(100'000, '[')));
}

}  // namespace
}  // namespace qeval
