#include "qeval/os/process_info.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "qeval/os/unique_fd.h"

namespace qeval {
namespace {

struct Stat {
  pid_t parent = 0, group = 0;
  char state = 0;
  double cpu_s = 0;
  int n_threads = 0;
  uint64_t start_ticks = 0;
};

// "" where the process is gone, which may happen between open and read: a file stream throws there.
std::string read_proc(pid_t pid, const char* name) {
  UniqueFd file(open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC));
  std::string out;
  char buffer[4096];
  for (ssize_t n; file && (n = read(file.get(), buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  return out;
}

// proc(5), /proc/PID/stat. The name in parentheses may itself hold spaces and parentheses.
std::optional<Stat> read_stat(pid_t pid) {
  std::string text = read_proc(pid, "stat");
  size_t close = text.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(close + 1));
  std::string word;
  Stat out;
  double ticks = 0;
  for (int field = 3; field <= 22 && fields >> word; ++field) {
    if (field == 3) out.state = word[0];
    if (field == 4) out.parent = std::atoi(word.c_str());
    if (field == 5) out.group = std::atoi(word.c_str());
    if (field >= 14 && field <= 17) ticks += std::strtod(word.c_str(), nullptr);
    if (field == 20) out.n_threads = std::atoi(word.c_str());
    if (field == 22) out.start_ticks = std::strtoull(word.c_str(), nullptr, 10);
  }
  out.cpu_s = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  return out;
}

void add_memory(pid_t pid, ProcessUsage& usage) {
  std::istringstream lines(read_proc(pid, "status"));
  for (std::string line; std::getline(lines, line);) {
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

template <typename F>
void for_each_process(F&& visit) {
  DIR* proc = opendir("/proc");
  if (!proc) return;
  while (dirent* entry = readdir(proc))
    if (pid_t pid = std::atoi(entry->d_name); pid > 0) visit(pid);
  closedir(proc);
}

}  // namespace

std::vector<pid_t> process_tree(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  bool found = false;
  for_each_process([&](pid_t pid) {
    found |= pid == root;
    if (auto stat = read_stat(pid)) children.emplace(stat->parent, pid);
  });
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

std::optional<ProcessStat> process_stat(pid_t pid) {
  auto stat = read_stat(pid);
  if (!stat) return std::nullopt;
  return ProcessStat{stat->parent, stat->group, stat->start_ticks, stat->state == 'Z' || stat->state == 'X'};
}

std::vector<pid_t> process_group(pid_t group) {
  std::vector<pid_t> out;
  for_each_process([&](pid_t pid) {
    auto stat = read_stat(pid);
    if (stat && stat->group == group && stat->state != 'Z' && stat->state != 'X') out.push_back(pid);
  });
  return out;
}

ProcessUsage processes_usage(const std::vector<pid_t>& pids) {
  ProcessUsage usage;
  for (pid_t pid : pids) add_process(pid, usage);
  return usage;
}

ProcessUsage own_usage() {
  ProcessUsage usage;
  add_process(getpid(), usage);
  return usage;
}

}  // namespace qeval
