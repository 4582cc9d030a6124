#include "qeval/engine/vllm/install.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "qeval/os/subprocess.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

namespace fs = std::filesystem;

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

std::string absolute_path(const fs::path& path) {
  std::error_code ignored;
  fs::path out = fs::absolute(path, ignored);
  return ignored ? path.string() : out.lexically_normal().string();
}

Result<std::string> in_path() {
  const char* path = std::getenv("PATH");
  std::string rest = path ? path : "";
  while (!rest.empty()) {
    size_t colon = std::min(rest.find(':'), rest.size());
    fs::path candidate = fs::path(rest.substr(0, colon)) / "vllm";
    if (colon > 0 && is_program(candidate)) return absolute_path(candidate);
    rest = colon < rest.size() ? rest.substr(colon + 1) : "";
  }
  return fail(ErrorKind::environment,
              "no vLLM found: “vllm” is not in PATH. Install it (pip install vllm in a virtual environment) and give --vllm "
              "VENV_FOLDER, or use --engine openai --base-url for a server that runs already");
}

Result<std::string> locate(const std::string& asked) {
  if (asked.empty()) return in_path();
  for (const fs::path& candidate : {fs::path(asked), fs::path(asked) / "bin" / "vllm", fs::path(asked) / "vllm"})
    if (is_program(candidate)) return absolute_path(candidate);
  return fail(ErrorKind::environment, fmt::format("--vllm {}: no vLLM there: a program, or a virtual environment's folder with bin/vllm, was expected", asked));
}

// The interpreter in "#!/path/python"; "" for anything else.
std::string interpreter_of(const std::string& script) {
  std::ifstream file(script, std::ios::binary);
  std::string line;
  line.resize(512);
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  if (line.rfind("#!", 0) != 0) return "";
  line = line.substr(2, line.find('\n') - 2);
  size_t space = line.find(' ');
  std::string program = line.substr(0, space);
  return program.find("python") != std::string::npos && is_program(program) ? program : "";
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  size_t line = text.rfind('\n');
  return line == std::string::npos ? text : text.substr(line + 1);
}

std::string output_of(std::vector<std::string> argv, std::chrono::milliseconds timeout, const std::atomic<bool>* stop, std::string* error = nullptr) {
  SubprocessOptions options;
  options.argv = std::move(argv);
  CaptureOptions capture;
  capture.timeout = timeout;
  capture.stop = stop;
  auto ran = run_subprocess(options, capture);
  if (!ran) {
    if (error) *error = ran.error().message;
    return "";
  }
  if (!ran->exit.ok()) {
    if (error) *error = ran->timed_out ? fmt::format("no answer within {} s", timeout.count() / 1000) : ran->exit.describe() + ": " + trimmed(ran->err);
    return "";
  }
  return ran->out;
}

}  // namespace

Result<VllmInstall> find_vllm(const std::string& asked, const std::atomic<bool>* stop) {
  VllmInstall out;
  QEVAL_TRY(out.executable, locate(asked));
  out.python = interpreter_of(out.executable);
  if (!out.python.empty())
    out.version_text = trimmed(output_of({out.python, "-c", "import importlib.metadata as m; print(m.version('vllm'))"}, std::chrono::seconds(30), stop));
  if (!parse_vllm_version(out.version_text)) {
    std::string error;
    out.version_text = trimmed(output_of({out.executable, "--version"}, std::chrono::seconds(120), stop, &error));
    if (stop && stop->load()) return fail(ErrorKind::interrupted, "interrupted");
    if (out.version_text.empty()) return fail(ErrorKind::environment, fmt::format("{} --version: {}", out.executable, error.empty() ? "no answer" : error));
  }
  auto version = parse_vllm_version(out.version_text);
  if (!version) return fail(ErrorKind::environment, fmt::format("{}: {}", out.executable, version.error().message));
  out.version = *version;
  out.cpu_build = out.version_text.find("cpu") != std::string::npos;
  return out;
}

std::set<std::string> vllm_help_flags(const VllmInstall& install, const std::string& cache_dir, const std::atomic<bool>* stop,
                                      const std::function<void(const std::string&)>& progress) {
  struct stat info{};
  ::stat(install.executable.c_str(), &info);
  std::string key = sha256_hex(fmt::format("{}\n{}\n{}.{}", install.executable, install.version_text, info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
  std::string path = fmt::format("{}/help-{}.txt", cache_dir, key.substr(0, 24));
  if (auto cached = read_file(path)) return parse_help(*cached);
  if (progress) progress(fmt::format("asking vLLM {} for its flags (once)", install.version_text));
  for (const char* help : {"--help=all", "--help"}) {
    std::string text = output_of({install.executable, "serve", help}, std::chrono::seconds(180), stop);
    std::set<std::string> flags = parse_help(text);
    if (!flags.contains("max-num-seqs")) continue;  // a summary, or something else
    if (make_directories(cache_dir)) (void)write_file_atomic(path, text);
    return flags;
  }
  return {};
}

}  // namespace qeval
