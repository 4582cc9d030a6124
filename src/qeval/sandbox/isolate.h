#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace qeval {

// What runs in the child between fork and exec: raw system calls on memory that was ready before the fork. Each
// function returns false after having written which step failed, and why, to stderr.

struct BindMount {
  std::string source;   // below /oldroot
  std::string target;   // relative to the new root
  std::vector<std::string> parents;  // folders to make first, relative
  bool is_folder = true;
};

struct MountPlan {
  std::vector<BindMount> binds;
  std::vector<std::pair<std::string, std::string>> links;  // (path relative to the new root, target)
  std::vector<std::string> link_parents;
  std::string tmp_options;                                  // of the private /tmp
};

struct IdMap {
  std::string uid_map, gid_map;  // "" where the caller is root and needs no user namespace
};

// Names the failed step and errno on stderr; returns false.
bool child_failed(const char* step);
// Private root: read-only binds, devices null, zero, random, urandom, a small writable /tmp, which becomes the current
// folder. No /proc, no /sys, no /etc.
bool enter_private_root(const MountPlan& plan);
bool write_id_maps(const IdMap& map);
// Only `readable` (files and folders, with execution) and `writable` can be opened from now on; where the kernel knows
// how, no TCP and no signals to processes outside either.
bool restrict_files(const std::vector<std::string>& readable, const std::vector<std::string>& devices, const char* writable);
// Drops supplementary groups, user, group and every capability, for good.
bool drop_privileges(bool is_root, uid_t user);
// Version of Landlock that the kernel offers; 0 = none.
int landlock_version();

}  // namespace qeval
