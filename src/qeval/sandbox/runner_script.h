#pragma once

namespace qeval {

// The Python that serves programs inside a sandbox; run as `python -I -S -B -c SCRIPT MODE`, MODE = zygote or once.
//
// Descriptor 3 is the control socket (SOCK_SEQPACKET). A request is one message: "as=BYTES cpu=SECONDS …" (resource
// limits) with three descriptors: the program's text, the pipe for stdout and stderr, the private socket of this test.
// zygote forks a child for each request, kills and reaps everything when the child has ended, and replies
// "STATUS MAXRSS_BYTES CPU_MICROSECONDS DIRTY". once serves a single request in its own process and ends.
//
// On the private socket the child says, one message each:
//   s              about to compile
//   0, then reads  compiled; waits for the go
//   1, then reads  the last statement of the program is behind it; what it reads is the nonce, which it sends back
//   C A E M X text it did not compile; an assertion; another exception; MemoryError; SystemExit
// The two waits are made by the same C code at the same depth of the stack (no Python frame lies between the end of the
// program and the second wait), so that whoever watches can tell the real end from a program that imitates it.
extern const char* const kRunnerScript;

}  // namespace qeval
