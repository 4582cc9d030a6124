#include "qeval/bfcl/program.h"

#include <gtest/gtest.h>

#include "qeval/bfcl/bfcl_tools.h"
#include "qeval/bfcl/package.h"
#include "qeval/os/subprocess.h"
#include "qeval/os/temp_dir.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

// What Python reads out of the program: its last statement must be main(json.loads(<bytes>)) and nothing else.
constexpr const char* kRead = R"PY(
import ast, json, sys
tree = ast.parse(sys.stdin.buffer.read().decode("utf-8"))
call = tree.body[-1].value
assert call.func.id == "main" and len(call.args) == 1 and not call.keywords
loads = call.args[0]
assert ast.unparse(loads.func) == "json.loads" and len(loads.args) == 1
data = loads.args[0].value
assert type(data) is bytes
print(len(tree.body))
print(json.dumps(json.loads(data)))
)PY";

std::vector<std::string> read_back(const std::string& program) {
  SubprocessOptions options;
  options.argv = {"python3", "-I", "-c", kRead};
  CaptureOptions capture;
  capture.input = program;
  auto ran = run_subprocess(options, capture);
  if (!ran || !ran->exit.ok()) return {ran ? ran->err : ran.error().message};
  size_t newline = ran->out.find('\n');
  return {ran->out.substr(0, newline), ran->out.substr(newline + 1)};
}

TEST(BfclProgram, NothingInARequestBecomesCode) {
  auto plain = read_back(bfcl_program({{"op", "judge"}}));
  if (plain.size() != 2) GTEST_SKIP() << "python3: " << plain[0];
  for (const char* text : {"'", "\"", "\\", "\\'", "'))\nimport os\n", "\n\r\t", "\xe2\x80\xa8\xf0\x9f\x98\x80", "\\u0027", "\\x27\\N{BULLET}", "{}%s{0}"}) {
    const Json request = {{"op", text}, {text, {{"name", text}, {"arguments", {{text, {text, 1.5, nullptr, true}}}}}}};
    auto read = read_back(bfcl_program(request));
    ASSERT_EQ(read.size(), 2u) << text << ": " << read[0];
    EXPECT_EQ(read[0], plain[0]) << "another number of statements: " << text;
    EXPECT_EQ(*parse_json(read[1]), request) << text;
  }
  EXPECT_EQ(read_back(bfcl_program({{"op", "\xff\xfe"}})).size(), 2u) << "invalid UTF-8";
}

TEST(BfclPackageFinder, SaysWhatIsMissingAndWhatToType) {
  auto folder = TempDir::create("qeval-no-venv");
  ASSERT_TRUE(folder.has_value());
  for (const std::string& python : {std::string("/bin/false"), std::string("/nowhere/python3"), folder->path(), std::string("/bin/true")}) {
    auto found = find_bfcl_package(python);
    ASSERT_FALSE(found.has_value()) << python;
    EXPECT_EQ(found.error().kind, ErrorKind::environment);
    EXPECT_NE(found.error().message.find(python), std::string::npos);
    EXPECT_NE(found.error().message.find("pip install --no-deps bfcl-eval=="), std::string::npos);
    auto tools = make_bfcl_tools({python, false, ""});
    EXPECT_EQ(tools->missing(), found.error().message);
    EXPECT_EQ(tools->version(), "");
    auto ran = tools->carry_out(Json::object(), Json::array());
    ASSERT_FALSE(ran.has_value());
    EXPECT_EQ(ran.error().kind, ErrorKind::environment);
  }
}

}  // namespace
}  // namespace qeval
