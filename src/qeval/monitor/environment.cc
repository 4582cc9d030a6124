#include "qeval/monitor/environment.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

namespace qeval {
namespace {

// Instruction sets that engines choose their kernels by.
constexpr std::array kFeatures = {"avx",         "avx2",     "fma",      "f16c",  "avx512f", "avx512_vnni", "avx_vnni",
                                  "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm",        "sve"};

std::string trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(" \t\""));
  size_t last = text.find_last_not_of(" \t\"\r\n");
  text.erase(last == std::string::npos ? 0 : last + 1);
  return text;
}

// First value of each key in "key<separator>value" lines.
std::map<std::string, std::string> read_pairs(const std::string& path, char separator) {
  std::map<std::string, std::string> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    size_t at = line.find(separator);
    if (at != std::string::npos) out.emplace(trimmed(line.substr(0, at)), trimmed(line.substr(at + 1)));
  }
  return out;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void add_cpu(const std::string& root, Json& out) {
  auto info = read_pairs(root + "/proc/cpuinfo", ':');
  for (const char* key : {"model name", "Model", "Hardware", "Processor"})
    if (!out.contains("cpu") && !info[key].empty()) out["cpu"] = info[key];
  std::istringstream words(!info["flags"].empty() ? info["flags"] : info["Features"]);
  std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
  Json features = Json::array();
  for (const char* feature : kFeatures)
    if (flags.contains(feature)) features.push_back(feature);
  out["cpu_features"] = std::move(features);
}

// Processors in "0-3,8,10-11".
int64_t count_list(const std::string& list) {
  int64_t n = 0;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    char* end = nullptr;
    int64_t first = std::strtoll(part.c_str(), &end, 10), last = first;
    if (end == part.c_str()) continue;
    if (*end == '-') last = std::strtoll(end + 1, nullptr, 10);
    n += std::max<int64_t>(0, last - first + 1);
  }
  return n;
}

// Processors' worth of time that the container may use; cgroup v2's "max 100000", then v1's files.
std::optional<double> cpu_limit(const std::string& root) {
  double quota = -1, period = 0;
  std::istringstream v2(first_line(root + "/sys/fs/cgroup/cpu.max"));
  if (!(v2 >> quota >> period)) {
    std::istringstream(first_line(root + "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")) >> quota;
    std::istringstream(first_line(root + "/sys/fs/cgroup/cpu/cpu.cfs_period_us")) >> period;
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<int64_t> memory_limit(const std::string& root, int64_t memory_bytes) {
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    int64_t limit = std::strtoll(first_line(root + file).c_str(), nullptr, 10);
    if (limit > 0 && limit < memory_bytes) return limit;  // "no limit" is a huge number in v1
  }
  return std::nullopt;
}

}  // namespace

Json read_environment(const std::string& root, DeviceProbe* devices) {
  Json out = Json::object();
  if (std::string os = read_pairs(root + "/etc/os-release", '=')["PRETTY_NAME"]; !os.empty()) out["os"] = os;
  if (std::string kernel = first_line(root + "/proc/sys/kernel/osrelease"); !kernel.empty()) out["kernel"] = kernel;
  if (utsname names{}; ::uname(&names) == 0) out["arch"] = names.machine;
  add_cpu(root, out);
  if (int64_t cores = count_list(first_line(root + "/sys/devices/system/cpu/online")); cores > 0) out["cores"] = cores;
  double usable = std::max(1U, std::thread::hardware_concurrency());
  if (auto limit = cpu_limit(root)) usable = std::min(usable, *limit);
  out["usable_cores"] = usable == std::floor(usable) ? Json(static_cast<int64_t>(usable)) : Json(usable);
  int64_t memory = std::strtoll(read_pairs(root + "/proc/meminfo", ':')["MemTotal"].c_str(), nullptr, 10) * 1024;
  if (memory > 0) out["memory_bytes"] = memory;
  if (auto limit = memory_limit(root, memory)) out["memory_limit_bytes"] = *limit;
  Json gpus = Json::array();
  if (devices) {
    out["driver"] = devices->driver_version();
    for (const DeviceReading& device : devices->read())
      gpus.push_back({{"name", device.name}, {"total_bytes", device.total_bytes}});
  }
  out["gpus"] = std::move(gpus);
  return out;
}

Json read_environment(const std::string& root) {
  auto devices = open_nvml();
  return read_environment(root, devices.get());
}

}  // namespace qeval
