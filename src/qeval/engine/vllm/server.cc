#include "qeval/engine/vllm/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "qeval/net/http_client.h"
#include "qeval/os/process_info.h"
#include "qeval/os/unique_fd.h"
#include "qeval/util/clock.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"

extern char** environ;

namespace qeval {
namespace {

constexpr auto kGrace = std::chrono::seconds(10);

Result<int> free_port() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return fail(ErrorKind::environment, fmt::format("no free port on 127.0.0.1: {}", std::strerror(errno)));
  return ntohs(address.sin_port);
}

// Starts of several qevals do not overlap, so that none stops what another is about to take over.
UniqueFd lock_folder(const std::string& folder) {
  UniqueFd fd(::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd) ::flock(fd.get(), LOCK_EX);
  return fd;
}

bool answers(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.connect_timeout_s = 2;
  request.stall_timeout_s = 10;
  request.retries = 0;
  request.max_bytes = 1 << 20;
  auto response = http_send(request);
  return response && response->status == 200;
}

std::string fingerprint_of(const VllmCommand& command, const VllmInstall& install) {
  std::string all = install.version_text + "\n";
  bool skip = false;
  for (const std::string& a : command.argv) {
    if (!skip && a != "--port") all += a + "\n";
    skip = a == "--port";
  }
  for (const std::string& e : command.environment) all += e + "\n";
  const char* devices = std::getenv("CUDA_VISIBLE_DEVICES");
  return sha256_hex(all + (devices ? devices : ""));
}

std::vector<std::string> merged_environment(const std::vector<std::string>& additions) {
  std::vector<std::string> out = additions;
  for (char** e = environ; *e; ++e) {
    std::string name(*e, std::strcspn(*e, "="));
    bool replaced = std::any_of(additions.begin(), additions.end(), [&](const std::string& a) { return a.rfind(name + "=", 0) == 0; });
    if (!replaced) out.emplace_back(*e);
  }
  return out;
}

std::string advice_for(StartFailure failure) {
  switch (failure) {
    case StartFailure::out_of_memory:
      return "try --preset memory_optimized, --set max_model_len=…, --set max_num_seqs=…, a quantisation, or more devices; `qeval plan` says what fits";
    case StartFailure::bad_flag: return "check the preset's vllm: section and --set vllm.…";
    case StartFailure::missing_files: return "check the model's folder or id; without the hub in reach the model must lie in the cache";
    case StartFailure::not_authorised: return "accept the model's terms on the hub and set HF_TOKEN";
    case StartFailure::port_in_use: return "leave vllm.port out: a free one is taken";
    case StartFailure::unsupported: return "change that setting, or take another vLLM with --vllm";
    case StartFailure::device: return "check the driver (nvidia-smi), or take a CPU build of vLLM";
    default: return "";
  }
}

}  // namespace

int sweep_orphans(const std::string& state_dir, const std::function<void(const std::string&)>& note) {
  int n = 0;
  for (const ServerRecord& r : read_server_records(state_dir)) {
    if (owner_is_alive(r)) continue;
    bool was_alive = server_is_alive(r);
    if (!stop_server(r, kGrace)) {
      if (note) note(fmt::format("a vLLM left behind (pid {}, port {}) cannot be stopped", r.pid, r.port));
      continue;
    }
    if (was_alive && note) note(fmt::format("stopped a vLLM that a killed qeval left behind (pid {}, port {})", r.pid, r.port));
    remove_server_record(r);
    ++n;
  }
  return n;
}

Result<std::unique_ptr<VllmServer>> VllmServer::start(const VllmServerOptions& options) {
  std::unique_ptr<VllmServer> server(new VllmServer(options));
  QEVAL_CHECK(make_directories(options.state_dir));
  bool own_port = options.command.preset.vllm.is_object() && options.command.preset.vllm.contains("port");
  for (int attempt = 0;; ++attempt) {
    {
      UniqueFd lock = lock_folder(options.state_dir);
      if (server->options_.command.port == 0 || attempt > 0) {
        QEVAL_TRY(server->options_.command.port, free_port());
      }
      QEVAL_TRY(server->command_, build_vllm_command(server->options_.command));
      QEVAL_TRY(bool adopted, server->adopt_or_sweep(fingerprint_of(server->command_, options.command.install)));
      if (adopted) return server;
      QEVAL_CHECK(server->launch());
    }
    auto healthy = server->wait_until_healthy();
    if (healthy) return server;
    bool again = server->log_.failure() == StartFailure::port_in_use && !own_port && attempt == 0;
    server->stop();
    if (!again) return fail(healthy.error());
  }
}

VllmServer::~VllmServer() { stop(); }

std::string VllmServer::base_url() const { return fmt::format("http://127.0.0.1:{}", record_.port); }

Result<bool> VllmServer::adopt_or_sweep(const std::string& fingerprint) {
  record_.fingerprint = fingerprint;
  auto own = process_stat(::getpid());
  for (ServerRecord& r : read_server_records(options_.state_dir)) {
    if (owner_is_alive(r)) continue;
    if (r.fingerprint != fingerprint || !server_is_alive(r) || !answers(fmt::format("http://127.0.0.1:{}/health", r.port))) continue;
    r.owner = ::getpid();
    r.owner_start = own ? own->start_ticks : 0;
    QEVAL_CHECK(write_server_record(options_.state_dir, r));
    record_ = r;
    adopted_ = true;
    killed_on_exit_ = std::make_unique<KilledOnExit>(r.pid);
    command_.port = r.port;
    for (size_t i = 0; i + 1 < command_.argv.size(); ++i)
      if (command_.argv[i] == "--port") command_.argv[i + 1] = std::to_string(r.port);
    read_log();
    if (options_.note) options_.note(fmt::format("took over the vLLM that a killed qeval left running (pid {}, port {})", r.pid, r.port));
    return true;
  }
  sweep_orphans(options_.state_dir, options_.note);
  return false;
}

Status VllmServer::launch() {
  record_.port = command_.port;
  record_.version = options_.command.install.version_text;
  record_.started_ms = utc_now_ms();
  record_.log = fmt::format("{}/vllm-{}-{}.log", options_.state_dir, record_.started_ms, record_.port);
  log_ = {};
  log_read_ = 0;
  SubprocessOptions spawn;
  spawn.argv = command_.argv;
  spawn.environment = merged_environment(command_.environment);
  spawn.merge_stderr = true;
  spawn.output_path = record_.log;
  QEVAL_TRY(process_, Subprocess::spawn(spawn));
  killed_on_exit_ = std::make_unique<KilledOnExit>(process_->pid());
  record_.pid = process_->pid();
  auto stat = process_stat(record_.pid), own = process_stat(::getpid());
  record_.pid_start = stat ? stat->start_ticks : 0;
  record_.owner = ::getpid();
  record_.owner_start = own ? own->start_ticks : 0;
  return write_server_record(options_.state_dir, record_);
}

void VllmServer::read_log() {
  UniqueFd file(::open(record_.log.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[65536];
  for (ssize_t n; file && (n = ::pread(file.get(), buffer, sizeof buffer, log_read_)) > 0;) {
    log_.feed({buffer, static_cast<size_t>(n)});
    log_read_ += n;
  }
}

Error VllmServer::start_error(StartFailure failure, const std::string& how) const {
  std::string message = fmt::format("vLLM {} did not start: {}", options_.command.install.version_text, how);
  if (failure != StartFailure::none) message += fmt::format("\nreason: {}{}", to_string(failure), log_.reason().empty() ? "" : ": " + log_.reason());
  if (std::string advice = advice_for(failure); !advice.empty()) message += "\nwhat to do: " + advice;
  message += fmt::format("\nlog: {}", record_.log);
  if (std::string tail = log_.tail(); !tail.empty()) message += "\nits last lines:\n" + tail.substr(0, tail.size() - 1);
  return {ErrorKind::environment, message};
}

Status VllmServer::wait_until_healthy() {
  auto begin = SteadyClock::now(), last_news = begin, last_asked = begin;
  while (true) {
    int64_t before = log_read_;
    read_log();
    if (log_read_ > before) last_news = SteadyClock::now();
    if (auto ended = process_->wait(std::chrono::milliseconds(200))) {
      read_log();
      StartFailure why = log_.failure() == StartFailure::none ? StartFailure::other : log_.failure();
      if (ended->signal == SIGKILL && log_.failure() == StartFailure::none) why = StartFailure::out_of_memory;  // the kernel's way
      return fail(start_error(why, ended->describe()));
    }
    if (options_.stop && options_.stop->load()) return fail(ErrorKind::interrupted, "interrupted while vLLM was starting; it has been stopped");
    bool ask = log_.phase() == StartPhase::serving || seconds_since(last_asked) > 2;
    if (ask) {
      last_asked = SteadyClock::now();
      if (answers(base_url() + "/health")) break;
    }
    if (options_.progress) options_.progress(fmt::format("vLLM {}: {} ({:.0f} s)", options_.command.install.version_text, log_.progress(), seconds_since(begin)));
    if (seconds_since(begin) > command_.start_timeout_s)
      return fail(start_error(StartFailure::none, fmt::format("not ready after {} s (vllm.start_timeout_s)", command_.start_timeout_s)));
    if (seconds_since(last_news) > command_.stall_timeout_s)
      return fail(start_error(StartFailure::none, fmt::format("nothing new in its log for {} s (vllm.stall_timeout_s)", command_.stall_timeout_s)));
  }
  read_log();
  if (options_.note)
    options_.note(fmt::format("vLLM {} serves on {} after {:.0f} s (pid {}, log {})", options_.command.install.version_text, base_url(), seconds_since(begin), record_.pid, record_.log));
  return {};
}

bool VllmServer::alive() {
  if (record_.pid == 0) return false;
  if (!process_) return server_is_alive(record_);
  return !process_->wait(std::chrono::milliseconds(0));
}

bool VllmServer::healthy() const { return answers(base_url() + "/health"); }

std::string VllmServer::last_words() {
  read_log();
  std::string how = "it ended";
  if (process_)
    if (auto state = process_->wait(std::chrono::milliseconds(0))) how = state->describe();
  return fmt::format("vLLM is gone ({}){}; log: {}", how, log_.reason().empty() ? "" : ": " + log_.reason(), record_.log);
}

Status VllmServer::restart() {
  stop();
  adopted_ = false;
  QEVAL_CHECK(launch());
  auto healthy = wait_until_healthy();
  if (!healthy) stop();
  return healthy;
}

void VllmServer::stop() {
  if (record_.pid == 0) return;
  if (process_) {
    process_->terminate(kGrace);
    process_.reset();
  }
  // Workers that outlived their leader, or a server that is no child of this process.
  stop_server(record_, kGrace);
  killed_on_exit_.reset();
  remove_server_record(record_);
  record_.pid = 0;
}

}  // namespace qeval
