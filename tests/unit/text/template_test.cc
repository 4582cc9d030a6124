#include "qeval/text/template.h"

#include <gtest/gtest.h>

#include <thread>

#include "cases.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

Result<std::string> render(const std::string& source, const Json& variables = Json::object()) {
  auto compiled = Template::compile(source);
  if (!compiled) return fail(compiled.error());
  return compiled->render(variables);
}

// The name in Jinja's "'name' is undefined" and "… has no attribute 'name'".
std::string last_quoted(const std::string& message) {
  size_t end = message.rfind('\'');
  size_t begin = end == std::string::npos || end == 0 ? std::string::npos : message.rfind('\'', end - 1);
  return begin == std::string::npos ? "" : message.substr(begin + 1, end - begin - 1);
}

TEST(Template, AgreesWithJinja) {
  Json file = load_cases("templates.json");
  int n_right = 0;
  for (const Json& c : file["cases"]) {
    std::string source = c["template"];
    SCOPED_TRACE(printable(source));
    auto out = render(source, file["variables"]);
    if (c.contains("error")) {
      if (out) {
        ADD_FAILURE() << "Jinja fails: " << c["error"] << ", we give " << printable(*out);
        continue;
      }
      EXPECT_EQ(out.error().kind, ErrorKind::bad_input);
      EXPECT_NE(out.error().message.find("line "), std::string::npos) << out.error().message;
      std::string jinja = json_string(c, "undefined");
      EXPECT_NE(out.error().message.find(last_quoted(jinja)), std::string::npos)
          << out.error().message << "\nJinja: " << jinja;
    } else if (!out) {
      ADD_FAILURE() << out.error().message << "\nJinja gives " << printable(c["output"].get<std::string>());
    } else {
      EXPECT_EQ(*out, c["output"].get<std::string>());
      ++n_right;
    }
  }
  EXPECT_GT(n_right, 500);
}

TEST(Template, ErrorsNameTheLineAndWhatWasExpected) {
  auto out = render("a\nb\n{{ x | nofilter }}");
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().message, "template line 3: there is no filter named 'nofilter'");
  EXPECT_EQ(render("\n{% if x %}").error().message, "template line 2: expected '{% endif %}', found the end of the template");
  EXPECT_EQ(render("\n\n{{ question }}").error().message, "template line 3: 'question' is undefined");
  EXPECT_EQ(render("{{ [1, 2 }}").error().message, "template line 1: expected ']', found '}'");
  EXPECT_EQ(render("{{ [1]|random }}").error().kind, ErrorKind::bad_input);
  EXPECT_NE(render("{% include 'x' %}").error().message.find("'include' is not supported"), std::string::npos);
}

TEST(Template, EvaluateKeepsTypes) {
  auto value = [](const std::string& source, const Json& variables = Json::object()) {
    return Template::compile(source)->evaluate(variables).value();
  };
  EXPECT_EQ(value("{{ [1, 2.0, 'a', none, (true,)] }}"), Json::parse(R"([1, 2.0, "a", null, [true]])"));
  EXPECT_EQ(value("{{ n + 1 }}", {{"n", 1}}), Json(2));
  EXPECT_TRUE(value("{{ n / 1 }}", {{"n", 1}}).is_number_float());
  EXPECT_EQ(value("{{ choices }}", {{"choices", {{"a", 1}}}}), Json::parse(R"({"a": 1})"));
  EXPECT_EQ(value("{{ '1' }}"), Json("1"));
  EXPECT_EQ(value("{{ 1 }} "), Json("1 "));
  EXPECT_EQ(value("{{ range(3) }}"), Json::parse("[0, 1, 2]"));
  EXPECT_EQ(value("{{ ['b', 'a']|sort }}"), Json::parse(R"(["a", "b"])"));
  EXPECT_FALSE(Template::compile("{{ missing }}")->evaluate(Json::object()));
  EXPECT_FALSE(Template::compile("{{ range }}")->evaluate(Json::object()));
}

TEST(Template, HostileTemplatesEnd) {
  auto repeated = [](const std::string& s, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += s;
    return out;
  };
  for (const std::string& source : std::vector<std::string>{
           "{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}",
           "{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}",
           "{{ " + repeated("not ", 100000) + "1 }}",
           "{{ " + repeated("-", 100000) + "1 }}",
           "{{ 1" + repeated("+1", 100000) + " }}",
           "{{ 'a'" + repeated("|upper", 100000) + " }}",
           "{{ a" + repeated(".a", 100000) + " }}",
           "{{ 1" + repeated(" if 1 else 1", 100000) + " }}",
           repeated("{% if 1 %}", 10000) + repeated("{% endif %}", 10000),
           "{% for " + repeated("(", 10000) + "a in b %}{% endfor %}",
           "{% for a in range(10**9) %}{% endfor %}",
           "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}{% endfor %}{% endfor %}{% endfor %}",
           "{{ 'a' * 10**9 }}", "{{ [0] * 10**9 }}", "{{ 10 ** 10 ** 10 }}", "{{ 9**99 }}", "{{ '%1000000000d' % 1 }}", "{{ 'a'.ljust(10**12) }}",
           "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
           "{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
           "{% set ns = namespace(l=[1]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}",
           "{% set ns = namespace(l=(1,)) %}{% for i in range(60) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ {ns.l: 1} }}",
           "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}",
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
           "{% macro m() %}{{ caller() }}{% endmacro %}{% macro r() %}{% call m() %}{{ r() }}{% endcall %}{% endmacro %}{{ r() }}",
           "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'|regex_replace('(a+)+[cd]', '') ~ missing }}",
           "{% for i in range(1000) %}{{ 'x' * 100000 }}{% endfor %}",
           std::string(5 << 20, 'x')}) {
    auto out = render(source);
    EXPECT_FALSE(out) << source.substr(0, 100);
    EXPECT_LT(out ? 0 : out.error().message.size(), 500u);
  }
}

TEST(Template, DeepValuesAreTakenApart) {
  // Each list holds the next: built from outside in, so no list knows how deep it is.
  auto out = render(
      "{% set o = [] %}{% set ns = namespace(c=o) %}{% for i in range(200000) %}{% set n = [] %}"
      "{% set _ = ns.c.append(n) %}{% set ns.c = n %}{% endfor %}done");
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(*out, "done");
  EXPECT_TRUE(render("{% set ns = namespace() %}{% for i in range(1000) %}{% set ns.f = ns.f|default(none) %}{% set ns.me = ns %}{% endfor %}"));
  EXPECT_FALSE(render("{% set ns = namespace(l=[]) %}{% for i in range(200000) %}{% set ns.l = [ns.l.append] %}{% endfor %}"));
}

TEST(Template, LargeVariables) {
  Json doc = {{"context", std::string(10'000'000, 'x') + "é"}};
  EXPECT_EQ(render("{{ context|length }} {{ context[-1] }} {{ context.strip()[:3] }}", doc).value(), "10000001 é xxx");
  EXPECT_EQ(render("{{ context }}", doc)->size(), 10'000'002u);
}

TEST(Template, InvalidUtf8IsReplaced) {
  EXPECT_EQ(render("\xff{{ x }}", {{"x", "\xfe"}}).value(), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Template, OneTemplateServesManyThreads) {
  auto compiled = Template::compile("{% macro m(a) %}{{ a }}{% endmacro %}{% for i in range(20) %}{{ m(i + k) }},{% endfor %}{{ [1, 'x'] }}").value();
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::string expected = compiled.render({{"k", t}}).value();
      for (int i = 0; i < 200; ++i) wrong[static_cast<size_t>(t)] += compiled.render({{"k", t}}).value() != expected;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace qeval
