#include "qeval/os/file_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace qeval {
namespace {

class FilePages : public testing::Test {
 protected:
  static constexpr size_t kBytes = 4 << 20;
  void SetUp() override {
    path_ = testing::TempDir() + "file_pages_" + std::to_string(getpid());
    std::ofstream(path_, std::ios::binary) << std::string(kBytes, 'x');
  }
  void TearDown() override { std::remove(path_.c_str()); }

  char* map(int protection, int flags) {
    const int fd = open(path_.c_str(), O_RDONLY);
    void* at = mmap(nullptr, kBytes, protection, flags | MAP_POPULATE, fd, 0);
    close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
  }

  // Of the mapping that begins at `at`.
  static int64_t resident_kb(const char* at) {
    char begin[32];
    std::snprintf(begin, sizeof begin, "%lx-", reinterpret_cast<unsigned long>(at));
    std::ifstream file("/proc/self/smaps");
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
      if (line.find('-') != std::string::npos && line.find(':') > line.find('-')) inside = line.rfind(begin, 0) == 0;
      if (inside && line.rfind("Rss:", 0) == 0) return std::stoll(line.substr(4));
    }
    return -1;
  }

  std::string path_;
};

TEST_F(FilePages, LeaveAndComeBack) {
  const char* mapped = map(PROT_READ, MAP_SHARED);
  ASSERT_NE(mapped, nullptr);
  ASSERT_EQ(resident_kb(mapped), static_cast<int64_t>(kBytes) / 1024);
  release_mapped_pages(path_);
  EXPECT_EQ(resident_kb(mapped), 0);
  EXPECT_EQ(mapped[kBytes - 1], 'x');
  munmap(const_cast<char*>(mapped), kBytes);
}

TEST_F(FilePages, WhatWasWrittenStays) {
  char* mapped = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
  ASSERT_NE(mapped, nullptr);
  mapped[0] = 'y';
  release_mapped_pages(path_);
  EXPECT_EQ(mapped[0], 'y');
  munmap(mapped, kBytes);
}

}  // namespace
}  // namespace qeval
