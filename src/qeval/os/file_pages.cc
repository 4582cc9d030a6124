#include "qeval/os/file_pages.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdint>
#include <cstdio>
#include <fstream>

namespace qeval {

void release_mapped_pages(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0, end = 0, inode = 0;
    unsigned device_major = 0, device_minor = 0;
    char may[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*x %x:%x %lu", &begin, &end, may, &device_major, &device_minor, &inode) != 6) continue;
    const bool same = inode == file.st_ino && makedev(device_major, device_minor) == file.st_dev;
    if (same && may[0] == 'r' && may[1] == '-') madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace qeval
