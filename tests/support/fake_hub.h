#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>

#include "qeval/net/hub.h"
#include "qeval/util/json.h"

namespace qeval {

// tests/support/fake_hub.py for as long as the object lives.
class FakeHub {
 public:
  FakeHub() {
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      ::execlp("python3", "python3", QEVAL_SOURCE_DIR "/tests/support/fake_hub.py", nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    std::string line;
    for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(out[0]);
    std::istringstream(line) >> url >> storage_url;
  }
  ~FakeHub() {
    ::close(stdin_);
    ::waitpid(pid_, nullptr, 0);
  }
  FakeHub(const FakeHub&) = delete;
  FakeHub& operator=(const FakeHub&) = delete;

  Json log() const { return *parse_json(*http_get({url + "/log"})); }
  size_t n_requests(const std::string& server) const {
    size_t n = 0;
    for (const Json& entry : log()) n += entry["server"] == server;
    return n;
  }

  std::string url, storage_url;

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
};

// An empty folder that goes with the object.
struct ScratchDir {
  ScratchDir() {
    char name[] = "/tmp/qeval-test-XXXXXX";
    if (!::mkdtemp(name)) std::abort();
    path = name;
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  std::string path;
};

}  // namespace qeval
