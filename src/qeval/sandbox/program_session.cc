#include "qeval/sandbox/program_session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>

#include "qeval/os/process_info.h"
#include "qeval/os/subprocess.h"

namespace qeval {
namespace {

using std::chrono::milliseconds;

constexpr double kStartSeconds = 20;    // for the interpreter to come up on a busy machine: not the program's time
constexpr double kEndSeconds = 5;       // from the verdict to the end of its process
constexpr double kMaxStretch = 4;       // wall time, in limits, that a starved program gets at most
constexpr size_t kShared = size_t{96} << 20;  // the interpreter's own memory, beside the program's

std::string make_nonce() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return "";
  std::string out;
  for (unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

// Valid UTF-8 without control characters: what a hostile program says goes to terminals and stores.
std::string printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    auto byte = static_cast<unsigned char>(text[i]);
    size_t length = byte < 0x80 ? 1 : byte >= 0xC2 && byte < 0xE0 ? 2 : byte >= 0xE0 && byte < 0xF0 ? 3 : byte >= 0xF0 && byte < 0xF5 ? 4 : 0;
    bool good = length > 0 && i + length <= text.size() && (byte >= 0x20 || byte == '\n' || byte == '\t') && byte != 0x7F;
    for (size_t k = 1; good && k < length; ++k) good = (static_cast<unsigned char>(text[i + k]) & 0xC0) == 0x80;
    if (good) out.append(text, i, length);
    else out += '?';
    i += good ? length : 1;
  }
  return out;
}

// One message and the process that sent it, as the kernel says.
struct Received {
  ssize_t size = -1;
  pid_t sender = -1;
};

Received receive(int fd, char* buffer, size_t size) {
  iovec piece{buffer, size};
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(ucred))];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = ancillary;
  message.msg_controllen = sizeof ancillary;
  Received out;
  out.size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_RIGHTS) {  // nothing that a program hands over is wanted
      for (size_t i = 0; i + sizeof(int) <= header->cmsg_len - CMSG_LEN(0); i += sizeof(int)) {
        int stray;
        std::memcpy(&stray, CMSG_DATA(header) + i, sizeof stray);
        close(stray);
      }
    }
    if (header->cmsg_type != SCM_CREDENTIALS) continue;
    ucred credentials;
    std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    out.sender = credentials.pid;
  }
  return out;
}

bool send_text(int fd, const std::string& text) {
  return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(text.size());
}

std::optional<SandboxVerdict> verdict_of(char kind) {
  switch (kind) {
    case 'C': return SandboxVerdict::syntax_error;
    case 'A': return SandboxVerdict::failed;
    case 'E': return SandboxVerdict::runtime_error;
    case 'M': return SandboxVerdict::memory_limit;
    case 'X': return SandboxVerdict::exited;
    default: return std::nullopt;
  }
}

}  // namespace

ProgramSession::ProgramSession(const std::string& program, const SandboxLimits& limits, bool stack_proof, uid_t user)
    : program_(program), limits_(limits), stack_proof_(stack_proof), user_(user), nonce_(make_nonce()) {}

Status ProgramSession::send(int control) {
  auto broken = [](const char* what) { return fail(ErrorKind::environment, fmt::format("{}: {}", what, std::strerror(errno))); };
  if (nonce_.empty()) return broken("getrandom");
  source_.reset(memfd_create("program", MFD_CLOEXEC));
  if (!source_) return broken("memfd_create");
  for (size_t done = 0; done < program_.size();) {
    ssize_t n = write(source_.get(), program_.data() + done, program_.size() - done);
    if (n <= 0) return broken("memfd");
    done += static_cast<size_t>(n);
  }
  lseek(source_.get(), 0, SEEK_SET);
  int pipes[2], sockets[2], on = 1;
  if (pipe2(pipes, O_CLOEXEC) != 0) return broken("pipe");
  output_.reset(pipes[0]);
  output_end_.reset(pipes[1]);
  fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return broken("socketpair");
  private_.reset(sockets[0]);
  private_end_.reset(sockets[1]);
  if (setsockopt(private_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return broken("SO_PASSCRED");
  int64_t cpu = static_cast<int64_t>(std::ceil(static_cast<double>(limits_.wall.count()) / 1000)) * 2 + 1;
  std::string request = fmt::format("as={} cpu={} fsize={} nproc={} nofile=64 core=0", limits_.memory_bytes, cpu,
                                    limits_.file_bytes, limits_.max_processes);
  int fds[3] = {source_.get(), output_end_.get(), private_end_.get()};
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof fds)] = {};
  iovec piece{request.data(), request.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = ancillary;
  message.msg_controllen = sizeof ancillary;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(header), fds, sizeof fds);
  if (sendmsg(control, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return broken("control socket");
  source_.reset();
  output_end_.reset();
  private_end_.reset();
  start_ = SteadyClock::now();
  return {};
}

void ProgramSession::hit(SandboxVerdict verdict, std::string why) {
  if (limit_hit_) return;
  limit_hit_ = verdict;
  limit_detail_ = std::move(why);
}

void ProgramSession::read_output() {
  char buffer[65536];
  for (;;) {
    ssize_t n = read(output_.get(), buffer, sizeof buffer);
    if (n == 0) output_.reset();
    if (n <= 0) return;
    size_t keep = std::min(static_cast<size_t>(n), limits_.output_bytes - text_.size());
    text_.append(buffer, keep);
    if (keep == static_cast<size_t>(n)) continue;
    hit(SandboxVerdict::output_limit, fmt::format("wrote more than {} bytes", limits_.output_bytes));
    return;
  }
}

// Before any of the program's code has run: where its main thread waits now, it must wait again at the end.
void ProgramSession::on_compiled() {
  compiled_ = true;
  for (int i = 0; stack_proof_ && i < 2000 && !first_wait_; ++i) {
    auto now = waiting_point(pid_, user_);
    if (!now) break;
    if (now->number == SYS_read) first_wait_ = now;
    else usleep(i < 100 ? 20 : 500);
  }
  send_text(private_.get(), "go");
}

// The program says that its last statement is behind it. Only the interpreter's own wait, at the depth of the first one,
// gets the nonce; code of the program always runs deeper in the stack.
void ProgramSession::on_claim() {
  claimed_ = true;
  bool real = !first_wait_;
  for (int i = 0; !real && i < 2000; ++i) {
    auto now = waiting_point(pid_, user_);
    real = now && same_place(*first_wait_, *now);
    bool elsewhere = now && !real && now->number == first_wait_->number && now->descriptor == first_wait_->descriptor;
    if (elsewhere) break;
    if (!real) usleep(i < 100 ? 20 : 500);
  }
  if (real) nonce_sent_ = send_text(private_.get(), nonce_);
  else hit(SandboxVerdict::exited, "claimed the end of the tests before it was reached");
}

void ProgramSession::on_message() {
  char buffer[8192];
  Received message = receive(private_.get(), buffer, sizeof buffer);
  if (message.size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (message.size <= 0) return private_.reset();
  std::string_view text(buffer, static_cast<size_t>(message.size));
  if (pid_ < 0) {
    pid_ = message.sender;
    begun_ = SteadyClock::now();
    next_memory_check_ = begun_ + milliseconds(100);
    return;
  }
  if (passed_ || said_) return;
  bool from_main = message.sender == pid_;
  if (nonce_sent_ && from_main && text == nonce_) {
    passed_ = true;
  } else if (text == "0" && from_main && !compiled_) {
    on_compiled();
  } else if (text == "1" && from_main && compiled_ && !claimed_) {
    on_claim();
  } else if (auto said = verdict_of(text[0]); said && from_main) {
    said_ = said;
    said_detail_ = printable(text.substr(1));
  } else {
    hit(SandboxVerdict::exited, "wrote to the descriptor that carries the verdict");
  }
}

double ProgramSession::time_left_s() const {
  if (pid_ < 0) return kStartSeconds - seconds_since(start_);
  double limit = static_cast<double>(limits_.wall.count()) / 1000;
  if (passed_ || said_) limit = std::max(limit, wall_s_ + kEndSeconds);
  return limit + extra_s_ - seconds_since(begun_);
}

bool ProgramSession::over_time() {
  if (time_left_s() > 0) return false;
  if (pid_ < 0) return true;
  double limit = static_cast<double>(limits_.wall.count()) / 1000;
  extra_s_ = std::min(run_queue_wait_s(pid_), (kMaxStretch - 1) * limit);
  if (time_left_s() > 0) return false;
  if (!passed_ && !said_) hit(SandboxVerdict::time_out, fmt::format("not done after {:g} s", limit));
  return true;
}

bool ProgramSession::over_memory(pid_t interpreter) {
  if (pid_ < 0 || SteadyClock::now() < next_memory_check_) return false;
  next_memory_check_ = SteadyClock::now() + milliseconds(100);
  auto usage = process_tree_usage(interpreter);
  if (!usage || usage->anon_bytes <= static_cast<int64_t>(limits_.memory_bytes + kShared)) return false;
  hit(SandboxVerdict::memory_limit, fmt::format("{} processes held {} MiB", usage->n_processes, usage->anon_bytes >> 20));
  return true;
}

bool ProgramSession::watch(int control, pid_t interpreter, bool one_process) {
  // An interpreter that runs the program itself cannot be asked how it ended.
  UniqueFd ending(one_process ? static_cast<int>(syscall(SYS_pidfd_open, interpreter, 0)) : dup(control));
  bool alive = static_cast<bool>(ending);
  while (alive && !end_) {
    double left = time_left_s();
    if (pid_ > 0) left = std::min(left, 0.1);
    pollfd events[3] = {{ending.get(), POLLIN, 0}, {private_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}};
    poll(events, 3, std::clamp(static_cast<int>(left * 1000) + 1, 0, 1000));
    if (events[2].revents) read_output();
    if (events[1].revents) {
      bool decided = passed_ || said_;
      on_message();
      if (!decided && (passed_ || said_)) wall_s_ = seconds_since(begun_);
    }
    // What the program said comes first: a message is always there before the end that follows it.
    if (events[0].revents && !events[1].revents) alive = !one_process && read_end(control);
    if (end_ || limit_hit_ || over_time() || over_memory(interpreter)) break;
  }
  if (pid_ > 0 && wall_s_ == 0) wall_s_ = seconds_since(begun_);
  if (output_) read_output();
  return alive && end_.has_value();
}

bool ProgramSession::read_end(int control) {
  char reply[128] = {};
  if (recv(control, reply, sizeof reply - 1, MSG_DONTWAIT) <= 0) return false;
  int status = 0, dirty = 0;
  long long rss = 0, cpu = 0;
  if (std::sscanf(reply, "%d %lld %lld %d", &status, &rss, &cpu, &dirty) != 4) return false;
  end_ = ProcessEnd{status, rss, dirty != 0};
  return true;
}

ProgramRun ProgramSession::verdict(bool one_process) {
  ProgramRun run;
  run.output = std::move(text_);
  run.wall_s = wall_s_;
  auto set = [&](SandboxVerdict verdict, std::string detail) {
    run.verdict = verdict;
    run.detail = std::move(detail);
    return run;
  };
  if (limit_hit_) return set(*limit_hit_, limit_detail_);
  if (passed_) return set(SandboxVerdict::passed, "");
  if (said_) return set(*said_, said_detail_);
  if (!end_ || pid_ < 0) return set(SandboxVerdict::infrastructure, "the interpreter ended or did not answer");
  if (WIFEXITED(end_->status)) {
    int code = WEXITSTATUS(end_->status);
    return set(SandboxVerdict::exited, fmt::format("ended with exit code {} before the end of the tests", code));
  }
  int signal = WTERMSIG(end_->status);
  ExitState state;
  state.signal = signal;
  if (signal == SIGXCPU) return set(SandboxVerdict::time_out, "used up its processor time");
  bool large = end_->max_rss_bytes > static_cast<int64_t>(limits_.memory_bytes / 10 * 7);
  if (signal == SIGKILL && large) return set(SandboxVerdict::memory_limit, "killed for its memory");
  // Alone in its process, a kill that was not ours may have come from the machine.
  if (signal == SIGKILL && one_process) return set(SandboxVerdict::infrastructure, "killed from outside");
  return set(signal == SIGKILL || signal == SIGTERM ? SandboxVerdict::exited : SandboxVerdict::runtime_error, state.describe());
}

}  // namespace qeval
