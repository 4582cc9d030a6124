#include "qeval/net/hub_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "qeval/util/file.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

bool lower_hex(const std::string& text) { return text.find_first_not_of("0123456789abcdef") == std::string::npos; }

}  // namespace

std::string hub_folder_name(const HubRepo& repo) {
  std::string name = repo.kind == HubKind::model ? "models--" : "datasets--";
  for (char c : repo.id) name += c == '/' ? std::string("--") : std::string(1, c);
  return name;
}

bool is_commit(const std::string& text) { return text.size() == 40 && lower_hex(text); }
bool is_sha256_hex(const std::string& text) { return text.size() == 64 && lower_hex(text); }

bool is_safe_relative_path(const std::string& path) {
  if (path.empty() || path.size() > 1000 || path[0] == '/' || path.back() == '/') return false;
  for (unsigned char c : path)
    if (c < 32 || c == 127 || c == '\\') return false;
  size_t begin = 0;
  while (true) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string piece = path.substr(begin, end - begin);
    if (piece.empty() || piece == "." || piece == "..") return false;
    if (end == path.size()) return true;
    begin = end + 1;
  }
}

HubCache::HubCache(const std::string& cache_dir, const HubRepo& repo)
    : repo_(repo), dir_((fs::path(cache_dir) / hub_folder_name(repo)).string()) {}

std::string HubCache::blob_path(const std::string& etag) const { return dir_ + "/blobs/" + etag; }
std::string HubCache::snapshot_dir(const std::string& commit) const { return dir_ + "/snapshots/" + commit; }

std::string HubCache::commit() const {
  if (is_commit(repo_.revision)) return repo_.revision;
  if (!is_safe_relative_path(repo_.revision)) return "";
  auto text = read_file(dir_ + "/refs/" + repo_.revision);
  if (!text) return "";
  while (!text->empty() && std::isspace(static_cast<unsigned char>(text->back()))) text->pop_back();
  return is_commit(*text) ? *text : "";
}

Status HubCache::remember_commit(const std::string& commit) const {
  if (is_commit(repo_.revision)) return {};
  std::string ref = dir_ + "/refs/" + repo_.revision;
  QEVAL_CHECK(make_directories(fs::path(ref).parent_path().string()));
  return write_file_atomic(ref, commit);
}

HubListing HubCache::listing(const std::string& commit) const {
  HubListing out{commit, {}, true};
  fs::path root = snapshot_dir(commit);
  std::error_code ec;
  for (auto it = fs::recursive_directory_iterator(root, ec); !ec && it != fs::recursive_directory_iterator();
       it.increment(ec)) {
    std::error_code ignored;
    if (!fs::is_regular_file(it->path(), ignored)) continue;
    std::string blob = fs::canonical(it->path(), ignored).filename().string();
    HubFile file{it->path().lexically_relative(root).string(), static_cast<int64_t>(fs::file_size(it->path(), ignored)),
                 is_sha256_hex(blob) ? blob : ""};
    out.files.push_back(std::move(file));
  }
  std::sort(out.files.begin(), out.files.end(), [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  return out;
}

std::optional<std::string> HubCache::file(const std::string& commit, const std::string& path) const {
  if (!is_safe_relative_path(path) || commit.empty()) return std::nullopt;
  std::string full = snapshot_dir(commit) + "/" + path;
  std::error_code ec;
  if (!fs::is_regular_file(full, ec)) return std::nullopt;
  return full;
}

Result<std::string> HubCache::link(const std::string& commit, const std::string& path, const std::string& etag) const {
  std::string full = snapshot_dir(commit) + "/" + path;
  QEVAL_CHECK(make_directories(fs::path(full).parent_path().string()));
  std::string target = "../../blobs/" + etag;
  for (size_t i = 0; i < static_cast<size_t>(std::count(path.begin(), path.end(), '/')); ++i) target = "../" + target;
  std::string temporary = fmt::format("{}.link.{}", full, ::getpid());
  std::error_code ec;
  fs::remove(temporary, ec);
  fs::create_symlink(target, temporary, ec);
  if (!ec) fs::rename(temporary, full, ec);
  if (ec) return fail(ErrorKind::environment, fmt::format("{}: link cannot be made: {}", full, ec.message()));
  return full;
}

}  // namespace qeval
