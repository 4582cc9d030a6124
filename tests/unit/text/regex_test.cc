#include "qeval/text/regex.h"

#include <gtest/gtest.h>

#include <thread>

#include "cases.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

// Offsets of Python count code points.
size_t points_before(const std::string& text, size_t bytes) { return n_code_points(std::string_view(text).substr(0, bytes)); }

void check_row(const Regex& regex, const Json& row, const std::string& subject, size_t n_groups) {
  auto found = regex.search(subject);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(found->has_value()) << "no match";
  const Json& expected = row["search"];
  EXPECT_EQ(points_before(subject, (*found)->begin), expected[0].get<size_t>());
  EXPECT_EQ(points_before(subject, (*found)->end), expected[1].get<size_t>());
  ASSERT_EQ((*found)->groups.size(), n_groups);
  for (size_t g = 0; g < n_groups; ++g) {
    const auto& group = (*found)->groups[g];
    EXPECT_EQ(group ? Json(*group) : Json(nullptr), expected[2][g]) << "group " << g;
  }
  auto anchored = regex.match(subject);
  ASSERT_TRUE(anchored);
  EXPECT_EQ(*anchored ? Json(*(*anchored)->groups[0]) : Json(nullptr), row["match"]);
  auto all = regex.findall(subject);
  ASSERT_TRUE(all);
  EXPECT_EQ(Json(*all), row["findall"]);
  auto parts = regex.split(subject);
  ASSERT_TRUE(parts);
  EXPECT_EQ(Json(*parts), row["split"]);
  auto replaced = regex.sub(row["replacement"].get<std::string>(), subject, row["count"].get<int>());
  if (row["sub"].contains("error"))
    EXPECT_FALSE(replaced) << "sub(" << row["replacement"] << ") must fail: " << row["sub"]["error"];
  else if (!replaced)
    ADD_FAILURE() << replaced.error().message;
  else
    EXPECT_EQ(*replaced, row["sub"]["value"].get<std::string>()) << "replacement " << row["replacement"];
}

TEST(Regex, AgreesWithPython) {
  Json file = load_cases("regex.json");
  int n_rows = 0;
  for (const Json& c : file["cases"]) {
    std::string pattern = c["pattern"];
    SCOPED_TRACE("pattern " + pattern);
    auto regex = Regex::compile(pattern);
    if (c.contains("error")) {
      EXPECT_FALSE(regex) << "Python refuses it: " << c["error"];
      continue;
    }
    ASSERT_TRUE(regex) << regex.error().message;
    size_t next = 0;
    for (size_t i = 0; i < file["subjects"].size(); ++i) {
      std::string subject = file["subjects"][i];
      SCOPED_TRACE("subject " + printable(subject));
      if (next < c["rows"].size() && c["rows"][next]["subject"] == i) {
        check_row(*regex, c["rows"][next], subject, c["rows"][next]["search"][2].size());
        ++next;
        ++n_rows;
      } else {
        auto found = regex->search(subject);
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_FALSE(found->has_value()) << "Python finds nothing";
        EXPECT_EQ(regex->findall(subject).value().size(), 0u);
        EXPECT_EQ(regex->sub("x", subject).value(), subject);
      }
    }
    EXPECT_EQ(next, c["rows"].size());
  }
  EXPECT_GT(n_rows, 1000);
}

TEST(Regex, OptionsAct) {
  EXPECT_TRUE(Regex::compile("abc", {.ignore_case = true})->search("xABC").value().has_value());
  EXPECT_TRUE(Regex::compile("a.b", {.dot_all = true})->search("a\nb").value().has_value());
  EXPECT_FALSE(Regex::compile("a.b")->search("a\nb").value().has_value());
  EXPECT_EQ(Regex::compile("^.", {.multiline = true})->findall("a\nb").value().size(), 2u);
}

TEST(Regex, SearchStartsWhereAsked) {
  auto regex = Regex::compile("a").value();
  auto found = regex.search("a-a", 1).value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->begin, 2u);
  EXPECT_FALSE(regex.search("a-a", 3).value().has_value());
  EXPECT_FALSE(regex.search("a-a", 99).value().has_value());
  EXPECT_EQ(Regex::compile(".")->search("é!", 1).value()->begin, 2u);
}

TEST(Regex, InvalidUtf8IsRead) {
  auto all = Regex::compile("b+")->findall("\xff" "bb\xe4\xb8" "b").value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(Regex::compile("b")->sub("", "\xff" "b").value(), "\xEF\xBF\xBD");
  EXPECT_FALSE(Regex::compile("(\xff"));
}

TEST(Regex, ErrorsNameTheOffsetAndTheFault) {
  auto regex = Regex::compile("ab(c");
  ASSERT_FALSE(regex);
  EXPECT_EQ(regex.error().kind, ErrorKind::bad_input);
  EXPECT_NE(regex.error().message.find("offset 2"), std::string::npos) << regex.error().message;
}

TEST(Regex, LargeSubjects) {
  std::string text(10'000'000, 'x');
  EXPECT_FALSE(Regex::compile("#### (\\d+)")->search(text).value().has_value());
  EXPECT_EQ(Regex::compile("(?s).*#### ")->sub("", text + "#### 5").value(), "5");
  EXPECT_EQ(Regex::compile("y|")->findall(std::string(100'000, 'x')).value().size(), 100'001u);
  EXPECT_EQ(Regex::compile("(?i)X")->sub("", text.substr(0, 1'000'000)).value(), "");
}

TEST(Regex, HostilePatternsEnd) {
  EXPECT_FALSE(Regex::compile("(a+)+[bd]")->search(std::string(5000, 'a') + "c"));
  EXPECT_FALSE(Regex::compile("(a|aa)+$")->search(std::string(5000, 'a') + "c"));
  EXPECT_FALSE(Regex::compile(std::string(100'000, '(')));
  EXPECT_FALSE(Regex::compile(std::string(200'000, 'a')));
  auto deep = Regex::compile("(?:a|b|(c))*d")->search(std::string(2'000'000, 'a'));
  EXPECT_FALSE(deep && deep->has_value());
}

TEST(Regex, QuadraticSearchEndsWithAnError) {
  // Each start position looks through everything after it: no single attempt is long, all together are.
  auto result = Regex::compile("[ab]+[cd]")->search(std::string(1'500'000, 'a'));
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("gave up"), std::string::npos) << result.error().message;
}

TEST(Regex, OneRegexServesManyThreads) {
  auto regex = Regex::compile("(\\d+)").value();
  std::vector<std::thread> threads;
  std::vector<size_t> counts(4);
  for (size_t t = 0; t < counts.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) counts[t] += regex.findall("1 22 333").value().size();
    });
  for (auto& thread : threads) thread.join();
  for (size_t n : counts) EXPECT_EQ(n, 600u);
}

}  // namespace
}  // namespace qeval
