#include "qeval/engine/vllm/server_record.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "qeval/os/process_info.h"
#include "qeval/util/clock.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

namespace fs = std::filesystem;

std::string this_boot() {
  auto text = read_file("/proc/sys/kernel/random/boot_id");
  return text ? text->substr(0, text->find('\n')) : "";
}

bool is_process(pid_t pid, uint64_t start) {
  auto now = process_stat(pid);
  return now && now->start_ticks == start && !now->zombie;
}

// A group's number stays taken while it has members; a leader of another start time means another group.
std::vector<pid_t> members(const ServerRecord& r) {
  auto leader = process_stat(r.pid);
  if (leader && leader->start_ticks != r.pid_start) return {};
  return process_group(r.pid);
}

}  // namespace

std::vector<ServerRecord> read_server_records(const std::string& folder) {
  std::vector<ServerRecord> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    std::string name = entry.path().filename().string();
    if (name.rfind("server-", 0) != 0 || entry.path().extension() != ".json") continue;
    auto text = read_file(entry.path().string());
    auto json = text ? parse_json(*text) : Result<Json>(bad_input(""));
    ServerRecord r;
    if (json && json->is_object()) {
      r.pid = static_cast<pid_t>(json_int(*json, "pid"));
      r.pid_start = static_cast<uint64_t>(json_int(*json, "pid_start"));
      r.owner = static_cast<pid_t>(json_int(*json, "owner"));
      r.owner_start = static_cast<uint64_t>(json_int(*json, "owner_start"));
      r.boot_id = json_string(*json, "boot_id");
      r.port = static_cast<int>(json_int(*json, "port"));
      r.fingerprint = json_string(*json, "fingerprint");
      r.version = json_string(*json, "version");
      r.log = json_string(*json, "log");
      r.started_ms = json_int(*json, "started_ms");
    }
    r.path = entry.path().string();
    // Signals go to -pid: 0 and 1 would be everybody.
    if (r.pid > 1 && r.pid_start > 0) out.push_back(std::move(r));
    else fs::remove(entry.path(), ignored);
  }
  std::sort(out.begin(), out.end(), [](const ServerRecord& a, const ServerRecord& b) { return a.started_ms < b.started_ms; });
  return out;
}

Status write_server_record(const std::string& folder, ServerRecord& r) {
  QEVAL_CHECK(make_directories(folder));
  r.boot_id = this_boot();
  r.path = fmt::format("{}/server-{}.json", folder, r.pid);
  Json json = {{"pid", r.pid}, {"pid_start", r.pid_start}, {"owner", r.owner}, {"owner_start", r.owner_start}, {"boot_id", r.boot_id},
               {"port", r.port}, {"fingerprint", r.fingerprint}, {"version", r.version}, {"log", r.log}, {"started_ms", r.started_ms}};
  return write_file_atomic(r.path, dump_json(json, 2) + "\n");
}

void remove_server_record(const ServerRecord& record) {
  std::error_code ignored;
  if (!record.path.empty()) fs::remove(record.path, ignored);
}

bool server_is_alive(const ServerRecord& r) { return r.boot_id == this_boot() && is_process(r.pid, r.pid_start); }
bool owner_is_alive(const ServerRecord& r) { return r.boot_id == this_boot() && is_process(r.owner, r.owner_start); }

bool stop_server(const ServerRecord& r, std::chrono::milliseconds grace) {
  if (r.boot_id != this_boot()) return true;
  auto deadline = SteadyClock::now() + grace;
  if (!members(r).empty()) ::kill(-r.pid, SIGTERM);
  while (!members(r).empty() && SteadyClock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  deadline = SteadyClock::now() + std::chrono::seconds(5);
  while (!members(r).empty() && SteadyClock::now() < deadline) {
    ::kill(-r.pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return members(r).empty();
}

}  // namespace qeval
