#pragma once

#include <optional>
#include <string>

#include "qeval/net/hub.h"

namespace qeval {

// The hub's own cache layout: <cache>/models--ORG--REPO/{blobs/<hash>, refs/<revision>, snapshots/<commit>/<file>}.
class HubCache {
 public:
  HubCache(const std::string& cache_dir, const HubRepo& repo);

  std::string blob_path(const std::string& etag) const;
  std::string snapshot_dir(const std::string& commit) const;
  // The commit of the repository's revision as it was last seen; "" = never. A commit stands for itself.
  std::string commit() const;
  Status remember_commit(const std::string& commit) const;
  // Regular files reached through the snapshot; broken links are left out.
  HubListing listing(const std::string& commit) const;
  std::optional<std::string> file(const std::string& commit, const std::string& path) const;
  // snapshots/<commit>/<path> → blobs/<etag>, replacing what is there.
  Result<std::string> link(const std::string& commit, const std::string& path, const std::string& etag) const;

 private:
  HubRepo repo_;
  std::string dir_;
};

std::string hub_folder_name(const HubRepo& repo);  // models--ORG--REPO, datasets--ORG--REPO
bool is_commit(const std::string& text);  // 40 hex digits
bool is_sha256_hex(const std::string& text);
// No absolute path, no "..", nothing but printable names between slashes: safe below a folder of ours.
bool is_safe_relative_path(const std::string& path);

}  // namespace qeval
