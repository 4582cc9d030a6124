#include "qeval/store/lease.h"

#include <fcntl.h>

#include "child_process.h"
#include "qeval/util/clock.h"
#include "store_fixture.h"

namespace qeval {
namespace {

using Lease = StoreTest;

// A child that takes the lease of run 1, says so, and waits to be ended.
pid_t holding_child(const std::string& path, int* ready) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return -1;
  pid_t pid = start_child([&]() -> int {
    auto store = open_store(path, {});
    char byte = store && (*store)->lease(1) ? 'y' : 'n';
    if (::write(fds[1], &byte, 1) != 1) return 2;
    while (true) ::pause();
  });
  ::close(fds[1]);
  char byte = 0;
  *ready = ::read(fds[0], &byte, 1) == 1 && byte == 'y';
  ::close(fds[0]);
  return pid;
}

TEST_F(Lease, ASecondProcessIsToldAndADeadOneIsFollowed) {
  {
    auto store = open(path_);
    begin(*store, "a"), begin(*store, "b");
  }
  int ready = 0;
  pid_t pid = holding_child(path_, &ready);
  ASSERT_TRUE(ready);
  auto store = open(path_);
  Status second = store->lease(1);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::unavailable);
  for (const std::string& part : {path_, std::string("run 1"), "process " + std::to_string(pid),
                                  "kill -INT " + std::to_string(pid), std::string("--fresh")})
    EXPECT_NE(second.error().message.find(part), std::string::npos) << second.error().message;
  EXPECT_TRUE(store->lease(2)) << "other runs go on";
  put(*store, 2, 1, "q", "a");
  ::kill(pid, SIGSTOP);
  EXPECT_FALSE(store->lease(1)) << "a stopped process still lives";
  ::kill(pid, SIGKILL);
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  EXPECT_TRUE(store->lease(1)) << "dead, if not yet reaped";
  wait_child(pid);
  EXPECT_TRUE(store->lease(1)) << "again";
}

TEST_F(Lease, IsReleased) {
  auto store = open(path_), other = open(path_);
  begin(*store);
  ASSERT_TRUE(store->lease(1));
  EXPECT_FALSE(other->lease(1));
  store->release(1);
  EXPECT_TRUE(other->lease(1));
  EXPECT_FALSE(store->lease(1));
  other.reset();
  EXPECT_TRUE(store->lease(1)) << "closing releases";
}

TEST_F(Lease, OnlyTheLivingHold) {
  ProcessIdentity self = this_process();
  EXPECT_EQ(self.pid, ::getpid());
  EXPECT_GT(self.pid_start, 0);
  EXPECT_FALSE(self.boot_id.empty());
  int64_t now = utc_now_ms();
  LeaseHolder holder{self, now};
  EXPECT_TRUE(may_be_alive(holder, self, now));
  EXPECT_TRUE(may_be_alive({self, 0}, self, now)) << "the process is the proof, not the heartbeat";
  LeaseHolder reused = holder;
  reused.process.pid_start -= 1;
  EXPECT_FALSE(may_be_alive(reused, self, now)) << "the pid belongs to another process now";
  LeaseHolder rebooted = holder;
  rebooted.process.boot_id = "before";
  EXPECT_FALSE(may_be_alive(rebooted, self, now));
  for (auto change :
       {+[](ProcessIdentity& p) { p.host = "elsewhere"; }, +[](ProcessIdentity& p) { p.pid_namespace = "pid:[1]"; }}) {
    LeaseHolder far = holder;
    change(far.process);
    EXPECT_TRUE(may_be_alive(far, self, now));
    EXPECT_FALSE(may_be_alive(far, self, now + kHeartbeatStaleMs + 1));
  }
  EXPECT_EQ(process_start(0), 0);
  EXPECT_EQ(process_start(1 << 30), 0);
}

}  // namespace
}  // namespace qeval
