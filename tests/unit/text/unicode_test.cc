#include "qeval/text/unicode.h"

#include <gtest/gtest.h>

#include "cases.h"
#include "qeval/text/python_literal.h"
#include "qeval/text/utf8.h"

namespace qeval {
namespace {

TEST(Unicode, StringMethodsAgreeWithPython) {
  Json file = load_cases("strings.json");
  ASSERT_GT(file["strings"].size(), 50u);
  for (const Json& c : file["strings"]) {
    std::string in = c["in"];
    SCOPED_TRACE(printable(in));
    EXPECT_EQ(py_lower(in), c["lower"].get<std::string>());
    EXPECT_EQ(py_upper(in), c["upper"].get<std::string>());
    EXPECT_EQ(py_capitalize(in), c["capitalize"].get<std::string>());
    EXPECT_EQ(py_title(in), c["title"].get<std::string>());
    EXPECT_EQ(py_swapcase(in), c["swapcase"].get<std::string>());
    EXPECT_EQ(py_strip(in), c["strip"].get<std::string>());
    EXPECT_EQ(py_lstrip(in), c["lstrip"].get<std::string>());
    EXPECT_EQ(py_rstrip(in), c["rstrip"].get<std::string>());
    EXPECT_EQ(py_strip(in, "aβ .é"), c["strip_chars"].get<std::string>());
    EXPECT_EQ(python_repr(in), c["repr"].get<std::string>());
    EXPECT_EQ(n_code_points(in), c["length"].get<size_t>());
    EXPECT_EQ(to_utf8(code_points(in)), in);
  }
}

TEST(Unicode, InvalidBytesBecomeReplacementCharacters) {
  EXPECT_EQ(valid_utf8("a\xff" "b"), "a\xEF\xBF\xBD" "b");
  EXPECT_EQ(valid_utf8("\xe4\xb8"), "\xEF\xBF\xBD");            // a cut character is one
  EXPECT_EQ(valid_utf8("\xc0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(valid_utf8("\xf5\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  for (std::string bytes : {"\xff\xfe", "a\xe4\xb8z", "\xf0\x9f\x98", "\x80\x80"}) {
    EXPECT_TRUE(is_valid_utf8(valid_utf8(bytes)));
    EXPECT_EQ(n_code_points(bytes), n_code_points(valid_utf8(bytes)));
    EXPECT_EQ(code_points(bytes), code_points(valid_utf8(bytes)));
  }
  EXPECT_EQ(py_strip(" \xff "), "\xff");
}

TEST(Unicode, PrintableDefusesTerminals) {
  EXPECT_EQ(printable("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(printable("x\r\ny\tz"), "x\\x0d\ny\tz");
  EXPECT_EQ(printable("\xC2\x9B" "2J"), "\\x9b2J");              // C1 control sequence introducer
  EXPECT_EQ(printable("a\xE2\x80\xAE" "b"), "a\\u202eb");        // right-to-left override
  EXPECT_EQ(printable("\xE2\x81\xA6"), "\\u2066");
  EXPECT_EQ(printable("\xE2\x80\xA8"), "\\u2028");
  EXPECT_EQ(printable("\xF3\xA0\x81\x81"), "\\U000e0041");       // tag characters hide text
  EXPECT_EQ(printable("\x9b"), "\\x9b");                         // invalid byte, C1 in Latin-1 terminals
  EXPECT_EQ(printable("\x7f\b"), "\\x7f\\x08");
  EXPECT_EQ(printable("naïve 中文 😀"), "naïve 中文 😀");
}

TEST(Unicode, DisplayWidth) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("中文"), 4u);
  EXPECT_EQ(display_width("e\xCC\x81"), 1u);
  EXPECT_EQ(display_width("😀"), 2u);
  EXPECT_EQ(display_width(""), 0u);
}

TEST(Unicode, LargeTextStaysLinear) {
  std::string sigmas;
  for (int i = 0; i < 2'000'000; ++i) sigmas += "Σ";
  EXPECT_EQ(n_code_points(py_lower(sigmas)), 2'000'000u);
  std::string apostrophes = "AΣ" + std::string(3'000'000, '\'');
  EXPECT_EQ(py_lower(apostrophes).substr(0, 3), "aς");
  EXPECT_EQ(py_rstrip(std::string(5'000'000, ' ')), "");
}

}  // namespace
}  // namespace qeval
