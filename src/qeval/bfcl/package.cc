#include "qeval/bfcl/package.h"

#include <fmt/format.h>

#include <filesystem>

#include "qeval/os/subprocess.h"
#include "qeval/util/json.h"

namespace qeval {
namespace {

constexpr const char* kInstall =
    "install it with: python3 -m venv ~/.bfcl; ~/.bfcl/bin/pip install --no-deps bfcl-eval==2026.3.23 mpmath==1.3.0; "
    "then give --bfcl-python ~/.bfcl or set QEVAL_BFCL_PYTHON";

// The current folder is not asked: what lies there is not what the user installed.
constexpr const char* kDescribe = R"PY(
import os, sys
sys.path = [path for path in sys.path if path not in ("", os.getcwd())]
import importlib, json
from importlib.metadata import version
before = set(sys.modules)
try:
    for name in sys.argv[1:]:
        importlib.import_module(name)
except Exception as error:
    sys.exit("%s: %s" % (type(error).__name__, error))
packages = set()
for name in set(sys.modules) - before:
    module = sys.modules[name]
    file = getattr(module, "__file__", None)
    if "." in name or not file or not any(part in ("site-packages", "dist-packages") for part in file.split(os.sep)):
        continue
    packages.add(os.path.realpath(os.path.dirname(file) if os.path.basename(file).startswith("__init__.") else file))
packages.add(os.path.realpath(os.path.dirname(sys.modules["bfcl_eval"].__file__)))
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "version": version("bfcl_eval"), "packages": sorted(packages)}))
)PY";

Error not_found(const std::string& python, const std::string& why) {
  return Error{ErrorKind::environment, fmt::format("needs the benchmark's own tools, which run from the Python package bfcl-eval; {}: {}; {}", python, why, kInstall)};
}

std::string last_line(const std::string& text) {
  size_t end = text.find_last_not_of(" \r\n");
  if (end == std::string::npos) return "";
  size_t begin = text.rfind('\n', end);
  begin = begin == std::string::npos ? 0 : begin + 1;
  return text.substr(begin, std::min<size_t>(end + 1 - begin, 300));
}

}  // namespace

const std::vector<std::string>& bfcl_modules() {
  static const std::vector<std::string> modules = [] {
    const std::string base = "bfcl_eval.eval_checker.multi_turn_eval.";
    std::vector<std::string> out = {base + "multi_turn_checker"};
    for (const char* name : {"gorilla_file_system", "math_api", "message_api", "posting_api", "ticket_api", "trading_bot", "travel_booking", "vehicle_control"})
      out.push_back(base + "func_source_code." + name);
    return out;
  }();
  return modules;
}

Result<BfclPackage> find_bfcl_package(const std::string& wanted) {
  std::string python = wanted.empty() ? "python3" : wanted;
  std::error_code error;
  if (std::filesystem::is_directory(python, error)) python = (std::filesystem::path(python) / "bin" / "python3").string();
  SubprocessOptions options;
  options.argv = {python, "-B", "-c", kDescribe};
  options.argv.insert(options.argv.end(), bfcl_modules().begin(), bfcl_modules().end());
  CaptureOptions capture;
  capture.timeout = std::chrono::seconds(60);
  auto ran = run_subprocess(options, capture);
  if (!ran) return fail(not_found(python, ran.error().message));
  if (!ran->exit.ok()) {
    std::string why = last_line(ran->err);
    return fail(not_found(python, why.empty() ? ran->exit.describe() : why));
  }
  auto described = parse_json(ran->out);
  if (!described || !described->is_object() || !described->contains("packages")) return fail(not_found(python, "it does not say where the package is"));
  BfclPackage out;
  out.python = python;
  out.python_version = json_string(*described, "python");
  out.version = json_string(*described, "version");
  for (const Json& package : (*described)["packages"]) out.packages.push_back(package.get<std::string>());
  return out;
}

}  // namespace qeval
