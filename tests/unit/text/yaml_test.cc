#include "qeval/text/yaml.h"

#include <gtest/gtest.h>

#include <cmath>

#include "qeval/util/file.h"

namespace qeval {
namespace {

Json cases() {
  auto text = read_file(std::string(QEVAL_SOURCE_DIR) + "/tests/cases/task/pyyaml.json");
  return parse_json(text.value()).value();
}

// tests/cases/task/pyyaml.json was written by PyYAML's safe_load; floats stand there as their repr.
TEST(Yaml, ScalarsResolveAsPyYaml) {
  int n = 0;
  const Json all = cases();
  for (const Json& c : all["scalars"]) {
    auto got = parse_yaml("k: " + c["yaml"].get<std::string>(), "t.yaml");
    ASSERT_TRUE(got) << c.dump() << got.error().message;
    const Json& value = (*got)["k"];
    const Json& want = c["value"];
    if (want.is_object() && want.contains("float")) {
      ASSERT_TRUE(value.is_number_float()) << c.dump() << value.dump();
      std::string repr = want["float"];
      if (repr == "nan") EXPECT_TRUE(std::isnan(value.get<double>()));
      else EXPECT_EQ(value.get<double>(), std::strtod(repr.c_str(), nullptr)) << c.dump();
    } else {
      EXPECT_EQ(value.dump(), want.dump()) << c.dump();
    }
    ++n;
  }
  EXPECT_GT(n, 500);
}

TEST(Yaml, DocumentsAsPyYaml) {
  const Json all = cases();
  for (const Json& c : all["documents"]) {
    auto got = parse_yaml(c["yaml"].get<std::string>(), "t.yaml");
    ASSERT_TRUE(got) << c.dump() << got.error().message;
    EXPECT_EQ(*got, c["value"]) << c["yaml"] << got->dump();
  }
}

TEST(Yaml, FunctionTag) {
  auto got = parse_yaml("a: !function utils.process_docs\n", "t.yaml");
  ASSERT_TRUE(got);
  EXPECT_EQ((*got)["a"]["!function"], "utils.process_docs");
}

TEST(Yaml, ErrorsNameThePlace) {
  struct { const char* yaml; const char* want; } faults[] = {
      {"a: 1\nb: [1, 2\nc: 3\n", "t.yaml:3:"},
      {"a: !unknown x\n", "t.yaml:1:4: the tag !unknown is not supported"},
      {"a: 1\n\n  b: !!set {x}\n", "t.yaml:3:"},
      {"a: 99999999999999999999\n", "t.yaml:1:4: the integer"},
      {"? [a]\n: b\n", "t.yaml:1:3: a mapping key must be a plain value"},
      {"a: &x [*x]\n", "t.yaml:1:8: an alias inside the value"},
      {"a: b\n---\nc: d\n", "t.yaml: holds more than one YAML document"},
      {"a: *nowhere\n", "t.yaml:1:"},
      {"x: 1\nx:\t- a\n\tb: c\n", "t.yaml:"},
      {"a:\n  <<: 3\n", "<< takes a mapping"},
      {"a: 1\nb: \xff\n", "t.yaml:2: not UTF-8 text"},
  };
  for (auto& f : faults) {
    auto got = parse_yaml(f.yaml, "t.yaml");
    ASSERT_FALSE(got) << f.yaml;
    EXPECT_EQ(got.error().kind, ErrorKind::bad_input);
    EXPECT_NE(got.error().message.find(f.want), std::string::npos) << got.error().message;
  }
}

TEST(Yaml, HostileInputEnds) {
  std::string laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 30; ++i) {
    std::string row = "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) row += (j ? ", *a" : "*a") + std::to_string(i - 1);
    laughs += row + "]\n";
  }
  EXPECT_FALSE(parse_yaml(laughs, "t.yaml"));
  EXPECT_FALSE(parse_yaml(std::string(100000, '['), "t.yaml"));
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 500; ++i)
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  EXPECT_FALSE(parse_yaml(chain, "t.yaml"));
  std::string wide;
  for (int i = 0; i < 50000; ++i) wide += "k" + std::to_string(i) + ": 1\n";
  auto got = parse_yaml(wide, "t.yaml");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size(), 50000u);
}

TEST(Yaml, KeyLine) {
  std::string text = "task: x\n\"quoted\": 1\nnest:\n  inner: 2\nlast : 3\n";
  EXPECT_EQ(yaml_key_line(text, "task"), 1);
  EXPECT_EQ(yaml_key_line(text, "quoted"), 2);
  EXPECT_EQ(yaml_key_line(text, "inner"), 0);
  EXPECT_EQ(yaml_key_line(text, "last"), 5);
  EXPECT_EQ(yaml_key_line(text, "tas"), 0);
}

}  // namespace
}  // namespace qeval
