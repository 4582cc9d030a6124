#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "qeval/os/unique_fd.h"
#include "qeval/sandbox/python_finder.h"
#include "qeval/util/result.h"

namespace qeval {

enum class Isolation { namespaces, landlock, none };

// Everything that the child needs, made before the fork: between fork and exec it may not allocate.
struct LaunchPlan {
  Isolation isolation = Isolation::namespaces;
  bool zygote = true;                    // an interpreter forks for each program; only with namespaces
  bool fresh = false;                    // and serves one program only
  PythonInstallation python;
  std::vector<std::string> packages;     // real paths that programs may import from, beside the standard library
  std::vector<std::string> preload;      // modules imported ahead of every program
  bool fixed_hashes = false;             // PYTHONHASHSEED=0
  std::shared_ptr<const std::string> executable;  // python's, at the address that the filter knows
  std::vector<sock_filter> filter;       // empty: none
  size_t tmp_bytes = size_t{64} << 20;   // of the private /tmp (namespaces)
};
// Error (environment): what the machine lacks.
Result<LaunchPlan> make_launch_plan(Isolation isolation, bool fresh, const PythonInstallation& python);
// Where programs find `packages`: a place of its own in a private root, else the folders that they lie in.
std::vector<std::string> package_paths(const LaunchPlan& plan);

struct Launched {
  pid_t pid = -1;       // a child of ours; with namespaces it is PID 1 inside, so that its death ends all the others
  UniqueFd control;     // our end of the control socket
  UniqueFd diagnostics; // what the child said before it served anything; non-blocking
};

// Starts the interpreter of `plan`. The thread that calls it must live as long as the child: the kernel kills the child
// when that thread ends. `work_dir`: its current folder where there is no private /tmp. `user`: the unprivileged user
// and group that it becomes, see unprivileged_user; 0 = it stays who the caller is.
Result<Launched> launch(const LaunchPlan& plan, const std::string& work_dir, uid_t user);

// For root: a user id that nothing else on this machine is likely to have, or nobody's where ids are few (a container).
// 0: the caller is not root, or is root in a namespace that knows no other user.
uid_t unprivileged_user(unsigned index);

}  // namespace qeval
