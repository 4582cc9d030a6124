#pragma once

namespace qeval {

// The whole program: parses, dispatches, prints errors. Exit codes: 0 done; 1 a run finished with infrastructure
// failures or a failed check; 2 usage; 3 bad input; 4 engine or environment; 130 interrupted.
int run_cli(int argc, char** argv);

}  // namespace qeval
