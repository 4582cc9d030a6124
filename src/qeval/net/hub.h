#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "qeval/net/http_client.h"
#include "qeval/util/result.h"

namespace qeval {

// Where the hub is and where its files are kept, by the hub's own environment variables, so that its other clients
// and qeval share one cache.
struct HubConfig {
  std::string endpoint = "https://huggingface.co";  // HF_ENDPOINT
  std::string cache_dir;                            // HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub
  std::string token;                                // HF_TOKEN, else the file HF_TOKEN_PATH or HF_HOME/token; "" = none
  bool offline = false;                             // HF_HUB_OFFLINE: only the cache is asked
  int connect_timeout_s = 10, stall_timeout_s = 30;
  int retries = 2;
};
HubConfig hub_config_from_environment();

enum class HubKind { model, dataset };

struct HubRepo {
  std::string id;                 // ORG/REPO, or REPO alone
  std::string revision = "main";  // branch, tag or commit
  HubKind kind = HubKind::model;
};

struct HubFile {
  std::string path;    // inside the repository
  int64_t size = -1;   // -1 = not known
  std::string sha256;  // of files kept in large-file storage; "" elsewhere
};

struct HubListing {
  std::string commit;
  std::vector<HubFile> files;  // sorted by path
  bool from_cache = false;     // only what lies in the cache: the hub was not asked
};

struct HubDownload {
  std::string path;  // in the cache: snapshots/<commit>/<file>, a link to blobs/<hash>
  std::string commit;
  std::string sha256;  // "" where the hub does not state one
  bool from_cache = false;
};

using HubProgress = std::function<bool(const std::string& file, int64_t done, int64_t total)>;  // false: stop

// Blocking client; const methods may be called from several threads. Errors: bad_input (no such repository, file or
// permission; names that are no hub names), unavailable (not reached, offline: says what would help), environment
// (disk, wrong hash), interrupted.
class Hub {
 public:
  explicit Hub(HubConfig config) : config_(std::move(config)) {}

  // Offline: what the cache holds, or an error that says so.
  Result<HubListing> list(const HubRepo& repo) const;
  // nullopt: nothing of this revision is in the cache. Never uses the network.
  std::optional<HubListing> cached(const HubRepo& repo) const;
  // Path of one cached file; nullopt where it is not there. Never uses the network.
  std::optional<HubDownload> cached_file(const HubRepo& repo, const std::string& file) const;
  // A file that is in the cache is not asked for again. `expected` from list(); its size and hash are checked. Several
  // files belong together where each is asked for with the listing's commit as revision; then call remember().
  Result<HubDownload> download(const HubRepo& repo, const HubFile& expected,
                               const HubProgress& progress = nullptr) const;

  // Makes `commit` what the revision means in the cache, once all wanted files of that commit are there.
  Status remember(const HubRepo& repo, const std::string& commit) const;

  const HubConfig& config() const { return config_; }

 private:
  struct Head;
  Result<Head> head(const HubRepo& repo, const std::string& file) const;
  Error explain(const HubRepo& repo, const std::string& file, const Error& error) const;
  HttpRequest request(const std::string& url) const;
  std::string resolve_url(const HubRepo& repo, const std::string& revision, const std::string& file) const;
  Result<HubDownload> fetch(const HubRepo& repo, const HubFile& expected, const Head& head,
                            const HubProgress& progress) const;
  std::string repo_dir(const HubRepo& repo) const;

  HubConfig config_;
};

// ORG/REPO or REPO of letters, digits, '.', '_', '-'.
bool is_hub_repo_id(const std::string& id);

// The GGUF files meant by `wanted`: a file name, a quantisation ("Q8_0", any case, also "q4_k_m"), or "" for the
// default: the only GGUF, else Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, F16, BF16 in this order. Split files
// (-00001-of-0000N.gguf) come whole, in order. Vision projectors (mmproj) are never meant by default.
// Error (bad_input): nothing fits, several fit, or a part is missing; lists the choices.
Result<std::vector<HubFile>> pick_gguf(const std::vector<HubFile>& files, const std::string& wanted);
// "Q4_K_M" from "x-q4_k_m-00001-of-00002.gguf", upper case; "" where the name shows none.
std::string quantization_in_name(const std::string& file);

}  // namespace qeval
