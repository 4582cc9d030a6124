#pragma once

#include <string>

namespace qeval {

// Takes the pages of a file that this process has mapped only for reading out of its memory. What is read again comes from the page
// cache, else from the disk; nothing that reads meanwhile notices. Does nothing where the file is not mapped.
void release_mapped_pages(const std::string& path);

}  // namespace qeval
