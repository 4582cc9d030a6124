#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "qeval/util/json.h"
#include "qeval/util/result.h"

namespace qeval {

// A server that some qeval started, as written to `folder`/server-PID.json while it lives. What outlives its qeval (SIGKILL,
// a crash) is found again through this.
struct ServerRecord {
  pid_t pid = 0;               // leader of its own process group
  uint64_t pid_start = 0;      // clock ticks since boot (proc(5), field 22): with the pid, who it is
  pid_t owner = 0;             // the qeval that uses it
  uint64_t owner_start = 0;
  std::string boot_id;
  int port = 0;
  std::string fingerprint;     // of command line and environment, but for the port
  std::string version, log;
  int64_t started_ms = 0;
  std::string path;            // of the record itself
};

// All readable records; broken files are removed.
std::vector<ServerRecord> read_server_records(const std::string& folder);
Status write_server_record(const std::string& folder, ServerRecord& record);
void remove_server_record(const ServerRecord& record);

bool server_is_alive(const ServerRecord& record);
bool owner_is_alive(const ServerRecord& record);
// Ends every process of its group: SIGTERM, after `grace` SIGKILL; never one that only has the same number. True: gone.
bool stop_server(const ServerRecord& record, std::chrono::milliseconds grace);

}  // namespace qeval
