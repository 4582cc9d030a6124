#include "qeval/sandbox/python_finder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "qeval/os/subprocess.h"
#include "qeval/util/json.h"

namespace qeval {
namespace {

namespace fs = std::filesystem;

// Extension modules beyond the built-in ones load shared libraries at run time: the loader's own folders are listed
// whether this process has mapped a file of theirs or not.
constexpr const char* kDescribe = R"PY(
import os, sys, _socket, resource, math, json
libraries = set()
with open("/proc/self/maps") as maps:
    for line in maps:
        path = line.split(None, 5)[5].strip() if len(line.split(None, 5)) > 5 else ""
        if path.startswith("/") and ".so" in path:
            libraries.add(os.path.dirname(os.path.realpath(path)))
print(json.dumps({"executable": os.path.realpath(sys.executable), "version": "%d.%d.%d" % sys.version_info[:3],
                  "ok": sys.version_info >= (3, 8), "stdlib": os.path.dirname(os.path.realpath(os.__file__)),
                  "path": [os.path.realpath(p) for p in sys.path if os.path.isdir(p)], "libraries": sorted(libraries)}))
)PY";

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return realpath(path.c_str(), buffer) ? buffer : "";
}

void add_folder(std::vector<std::string>& folders, const std::string& folder) {
  std::string real = real_path(folder);
  // A whole home or root folder is never part of an interpreter.
  if (real.empty() || real == "/" || real == "/home" || real == "/root" || !fs::is_directory(real)) return;
  folders.push_back(real);
}

void remove_nested(std::vector<std::string>& folders) {
  std::sort(folders.begin(), folders.end());
  std::vector<std::string> kept;
  for (const std::string& folder : folders)
    if (kept.empty() || (folder != kept.back() && folder.rfind(kept.back() + "/", 0) != 0)) kept.push_back(folder);
  folders = std::move(kept);
}

Result<PythonInstallation> describe(const std::string& program) {
  SubprocessOptions options;
  options.argv = {program, "-I", "-S", "-B", "-c", kDescribe};
  CaptureOptions capture;
  capture.timeout = std::chrono::seconds(20);
  capture.max_output_bytes = size_t{1} << 20;
  QEVAL_TRY(CapturedProcess result, run_subprocess(options, capture));
  if (!result.exit.ok())
    return fail(ErrorKind::environment, fmt::format("{}: {} {}", program, result.exit.describe(),
                                                    result.err.substr(result.err.size() > 300 ? result.err.size() - 300 : 0)));
  auto described = parse_json(result.out);
  if (!described) return fail(described.error().in(program));
  PythonInstallation out;
  out.executable = json_string(*described, "executable");
  out.version = json_string(*described, "version");
  if (!json_bool(*described, "ok"))
    return fail(ErrorKind::environment, fmt::format("{}: version {}, at least 3.8 is needed", program, out.version));
  add_folder(out.folders, json_string(*described, "stdlib"));
  for (const char* list : {"path", "libraries"})
    for (const Json& folder : described->at(list)) add_folder(out.folders, folder.get<std::string>());
  for (const char* folder : {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}) {
    add_folder(out.folders, folder);
    std::error_code error;
    if (fs::is_symlink(folder, error)) out.links.emplace_back(folder, fs::read_symlink(folder, error).string());
  }
  remove_nested(out.folders);
  return out;
}

}  // namespace

Result<PythonInstallation> find_python(const std::string& wanted) {
  std::vector<std::string> candidates = {wanted};
  if (wanted.empty()) candidates = {"/usr/bin/python3", "python3"};
  std::string tried;
  for (const std::string& candidate : candidates) {
    auto found = describe(candidate);
    if (found) return found;
    tried += "\n  " + found.error().message;
  }
  return fail(ErrorKind::environment, "no Python interpreter to run code tasks with; install python3 (at least 3.8). Tried:" + tried);
}

}  // namespace qeval
