#include "qeval/os/process_info.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

namespace qeval {
namespace {

struct Stat {
  pid_t parent = 0;
  double cpu_s = 0;
  int n_threads = 0;
};

// proc(5), /proc/PID/stat. The name in parentheses may itself hold spaces and parentheses.
std::optional<Stat> read_stat(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  size_t close = text.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(close + 1));
  std::string word;
  Stat out;
  double ticks = 0;
  for (int field = 3; field <= 20 && fields >> word; ++field) {
    if (field == 4) out.parent = std::atoi(word.c_str());
    if (field >= 14 && field <= 17) ticks += std::strtod(word.c_str(), nullptr);
    if (field == 20) out.n_threads = std::atoi(word.c_str());
  }
  out.cpu_s = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  return out;
}

void add_memory(pid_t pid, ProcessUsage& usage) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  std::string line;
  while (std::getline(file, line)) {
    auto kib = [&](const char* key) -> int64_t {
      if (line.rfind(key, 0) != 0) return 0;
      return std::strtoll(line.c_str() + std::char_traits<char>::length(key), nullptr, 10) * 1024;
    };
    usage.rss_bytes += kib("VmRSS:");
    usage.anon_bytes += kib("RssAnon:");
    usage.peak_rss_bytes += kib("VmHWM:");
  }
}

void add_process(pid_t pid, ProcessUsage& usage) {
  auto stat = read_stat(pid);
  if (!stat) return;
  add_memory(pid, usage);
  usage.cpu_s += stat->cpu_s;
  usage.n_threads += stat->n_threads;
  ++usage.n_processes;
}

}  // namespace

std::vector<pid_t> process_tree(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  bool found = false;
  if (DIR* proc = opendir("/proc")) {
    while (dirent* entry = readdir(proc)) {
      pid_t pid = std::atoi(entry->d_name);
      if (pid <= 0) continue;
      found |= pid == root;
      if (auto stat = read_stat(pid)) children.emplace(stat->parent, pid);
    }
    closedir(proc);
  }
  std::vector<pid_t> out;
  if (!found) return out;
  out.push_back(root);
  for (size_t i = 0; i < out.size(); ++i)
    for (auto [it, end] = children.equal_range(out[i]); it != end; ++it) out.push_back(it->second);
  return out;
}

Result<ProcessUsage> process_tree_usage(pid_t root) {
  ProcessUsage usage;
  for (pid_t pid : process_tree(root)) add_process(pid, usage);
  if (usage.n_processes == 0) return fail(ErrorKind::not_found, fmt::format("process {} does not exist", root));
  return usage;
}

ProcessUsage own_usage() {
  ProcessUsage usage;
  add_process(getpid(), usage);
  return usage;
}

}  // namespace qeval
