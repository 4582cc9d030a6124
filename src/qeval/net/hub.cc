#include "qeval/net/hub.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "qeval/net/hub_cache.h"
#include "qeval/util/ascii.h"
#include "qeval/util/file.h"
#include "qeval/util/hash.h"
#include "qeval/util/json.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 42;
constexpr int64_t kMaxListingBytes = int64_t{64} << 20;
constexpr int kMaxRedirects = 5;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool truthy(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

std::string origin(const std::string& url) {
  size_t host = url.find("://");
  return host == std::string::npos ? "" : url.substr(0, url.find('/', host + 3));
}

std::string escaped_path(const std::string& path) {
  std::string out;
  size_t begin = 0;
  while (true) {
    size_t end = std::min(path.find('/', begin), path.size());
    out += url_escape(path.substr(begin, end - begin));
    if (end == path.size()) return out;
    out += '/';
    begin = end + 1;
  }
}

std::string plain_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  bool plain = !etag.empty() && etag.size() <= 128 && std::all_of(etag.begin(), etag.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_';
  });
  return plain ? etag : "";
}

int64_t integer_or(const std::string& text, int64_t fallback) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 ? value : fallback;
}

// Git's id of a blob: SHA-1 over "blob <size>\0" and the bytes. The hub's ETag of every file that is not large.
Result<std::string> git_blob_id(const std::string& path) {
  QEVAL_TRY(std::string content, read_file(path));
  std::string header = fmt::format("blob {}", content.size());
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  bool ok = context && EVP_DigestInit_ex(context, EVP_sha1(), nullptr) == 1 &&
            EVP_DigestUpdate(context, header.c_str(), header.size() + 1) == 1 &&
            EVP_DigestUpdate(context, content.data(), content.size()) == 1 &&
            EVP_DigestFinal_ex(context, digest, &n) == 1;
  EVP_MD_CTX_free(context);
  if (!ok) return fail(ErrorKind::internal, "SHA-1 is not to be had from OpenSSL");
  std::string out;
  for (unsigned int i = 0; i < n; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

Status check_repo(const HubRepo& repo) {
  if (!is_hub_repo_id(repo.id)) return bad_input(fmt::format("{} is no hub name: ORG/REPO was expected", repo.id));
  if (!is_safe_relative_path(repo.revision))
    return bad_input(fmt::format("{}: the revision {} is no branch, tag or commit", repo.id, repo.revision));
  return {};
}

Result<HubListing> parse_listing(const std::string& body) {
  QEVAL_TRY(Json json, parse_json(body));
  HubListing out;
  out.commit = json_string(json, "sha");
  if (!is_commit(out.commit) || !json.contains("siblings") || !json["siblings"].is_array())
    return bad_input("not an answer of the hub");
  for (const Json& entry : json["siblings"]) {
    HubFile file;
    file.path = json_string(entry, "rfilename");
    if (!is_safe_relative_path(file.path)) continue;
    file.size = json_int(entry, "size", -1);
    if (entry.contains("lfs") && entry["lfs"].is_object()) {
      std::string hash = json_string(entry["lfs"], "sha256");
      if (is_sha256_hex(hash)) file.sha256 = hash;
      file.size = json_int(entry["lfs"], "size", file.size);
    }
    out.files.push_back(std::move(file));
  }
  std::sort(out.files.begin(), out.files.end(), [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  return out;
}

Status enough_space(const std::string& folder, int64_t wanted) {
  std::error_code ec;
  fs::space_info space = fs::space(folder, ec);
  if (ec || wanted < 0 || space.available >= static_cast<uint64_t>(wanted)) return {};
  return fail(ErrorKind::environment,
              fmt::format("{}: no disk space: {:.2f} GB are needed, {:.2f} GB are free; HF_HOME moves the cache",
                          folder, static_cast<double>(wanted) / 1e9, static_cast<double>(space.available) / 1e9));
}

}  // namespace

// What the hub says of a file before its bytes: answered by the hub itself, before the redirect to its storage.
struct Hub::Head {
  std::string commit, etag;
  int64_t size = -1;
};

HubConfig hub_config_from_environment() {
  HubConfig config;
  if (std::string endpoint = environment("HF_ENDPOINT"); !endpoint.empty()) config.endpoint = endpoint;
  while (config.endpoint.ends_with('/')) config.endpoint.pop_back();
  std::string home = environment("HF_HOME");
  if (home.empty()) {
    std::string cache = environment("XDG_CACHE_HOME");
    if (cache.empty()) cache = environment("HOME") + "/.cache";
    home = cache + "/huggingface";
  }
  config.cache_dir = environment("HF_HUB_CACHE");
  if (config.cache_dir.empty()) config.cache_dir = environment("HUGGINGFACE_HUB_CACHE");
  if (config.cache_dir.empty()) config.cache_dir = home + "/hub";
  config.token = trim_ascii(environment("HF_TOKEN"));
  if (config.token.empty()) {
    std::string file = environment("HF_TOKEN_PATH");
    if (auto text = read_file(file.empty() ? home + "/token" : file)) config.token = trim_ascii(*text);
  }
  config.offline = truthy(environment("HF_HUB_OFFLINE"));
  return config;
}

bool is_hub_repo_id(const std::string& id) {
  size_t slashes = static_cast<size_t>(std::count(id.begin(), id.end(), '/'));
  if (slashes > 1 || id.size() > 200 || !is_safe_relative_path(id) || id.find("--") != std::string::npos) return false;
  return std::all_of(id.begin(), id.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; });
}

HttpRequest Hub::request(const std::string& url) const {
  HttpRequest out;
  out.url = url;
  if (origin(url) == origin(config_.endpoint)) out.bearer_token = config_.token;
  out.connect_timeout_s = config_.connect_timeout_s;
  out.stall_timeout_s = config_.stall_timeout_s;
  out.retries = config_.retries;
  return out;
}

std::string Hub::resolve_url(const HubRepo& repo, const std::string& revision, const std::string& file) const {
  return fmt::format("{}/{}{}/resolve/{}/{}", config_.endpoint, repo.kind == HubKind::dataset ? "datasets/" : "",
                     repo.id, url_escape(revision), escaped_path(file));
}

Error Hub::explain(const HubRepo& repo, const std::string& file, const Error& error) const {
  std::string what = file.empty() ? "hf:" + repo.id : fmt::format("hf:{}:{}", repo.id, file);
  if (error.kind == ErrorKind::unavailable)
    return {
        ErrorKind::unavailable,
        fmt::format(
            "{}: the hub at {} cannot be used now: {}. A local GGUF path works without it; HF_ENDPOINT names a mirror",
            what, redacted_url(config_.endpoint), error.message)};
  if (error.kind == ErrorKind::not_found && !file.empty())
    return {ErrorKind::bad_input,
            fmt::format("{}: the repository has no such file at revision {}", what, repo.revision)};
  bool denied = error.kind == ErrorKind::bad_input && error.message.find("access denied") != std::string::npos;
  if (error.kind == ErrorKind::not_found || denied)
    return {ErrorKind::bad_input,
            fmt::format("{}: no such repository or revision, or it is private or gated: {}", what,
                        config_.token.empty() ? "HF_TOKEN is not set" : "the token in use has no permission")};
  return error.in(what);
}

std::optional<HubListing> Hub::cached(const HubRepo& repo) const {
  if (!check_repo(repo)) return std::nullopt;
  HubCache cache(config_.cache_dir, repo);
  std::string commit = cache.commit();
  if (commit.empty()) return std::nullopt;
  HubListing out = cache.listing(commit);
  if (out.files.empty()) return std::nullopt;
  return out;
}

std::optional<HubDownload> Hub::cached_file(const HubRepo& repo, const std::string& file) const {
  if (!check_repo(repo)) return std::nullopt;
  HubCache cache(config_.cache_dir, repo);
  std::string commit = cache.commit();
  auto path = cache.file(commit, file);
  if (!path) return std::nullopt;
  std::error_code ec;
  std::string blob = fs::canonical(*path, ec).filename().string();
  return HubDownload{*path, commit, is_sha256_hex(blob) ? blob : "", true};
}

Status Hub::remember(const HubRepo& repo, const std::string& commit) const {
  QEVAL_CHECK(check_repo(repo));
  if (!is_commit(commit)) return fail(ErrorKind::internal, commit + " is no commit");
  return HubCache(config_.cache_dir, repo).remember_commit(commit);
}

Result<HubListing> Hub::list(const HubRepo& repo) const {
  QEVAL_CHECK(check_repo(repo));
  if (config_.offline) {
    if (auto listing = cached(repo)) return *listing;
    return fail(ErrorKind::unavailable,
                fmt::format("hf:{}: HF_HUB_OFFLINE is set and {} holds nothing of it", repo.id, config_.cache_dir));
  }
  HttpRequest get =
      request(fmt::format("{}/api/{}/{}/revision/{}?blobs=true", config_.endpoint,
                          repo.kind == HubKind::dataset ? "datasets" : "models", repo.id, url_escape(repo.revision)));
  get.max_bytes = kMaxListingBytes;
  auto body = http_get(get);
  if (!body) return fail(explain(repo, "", body.error()));
  auto listing = parse_listing(*body);
  if (!listing) return fail(listing.error().in(redacted_url(get.url)));
  return listing;
}

Result<Hub::Head> Hub::head(const HubRepo& repo, const std::string& file) const {
  HttpRequest ask = request(resolve_url(repo, repo.revision, file));
  ask.head = true;
  ask.follow_redirects = false;
  ask.headers = {{"Accept-Encoding", "identity"}};
  for (int hop = 0; hop < kMaxRedirects; ++hop) {
    auto answer = http_send(ask);
    if (!answer) return fail(explain(repo, file, answer.error()));
    bool redirect = answer->status >= 300 && answer->status < 400;
    Head out{answer->header("x-repo-commit"), plain_etag(answer->header("x-linked-etag")), -1};
    if (out.etag.empty() && !redirect) out.etag = plain_etag(answer->header("etag"));
    out.size =
        integer_or(answer->header("x-linked-size"), redirect ? -1 : integer_or(answer->header("content-length"), -1));
    if (answer->status < 200 || answer->status > 399)
      return fail(explain(repo, file, http_status_error(answer->status, ask.url)));
    if (is_commit(out.commit) && !out.etag.empty()) return out;
    const std::string& location = answer->header("location");
    if (!redirect || location.empty()) break;
    std::vector<std::pair<std::string, std::string>> headers = ask.headers;
    ask = request(location[0] == '/' ? origin(ask.url) + location : location);
    ask.head = true;
    ask.follow_redirects = false;
    ask.headers = std::move(headers);
  }
  return bad_input(fmt::format("{}: not an answer of a hub: no commit or hash of the file", redacted_url(ask.url)));
}

Result<HubDownload> Hub::download(const HubRepo& repo, const HubFile& expected, const HubProgress& progress) const {
  QEVAL_CHECK(check_repo(repo));
  if (!is_safe_relative_path(expected.path))
    return bad_input(fmt::format("hf:{}: {} is no file name", repo.id, expected.path));
  if (auto there = cached_file(repo, expected.path)) return *there;
  if (config_.offline)
    return fail(ErrorKind::unavailable, fmt::format("hf:{}:{}: HF_HUB_OFFLINE is set and the file is not in {}",
                                                    repo.id, expected.path, config_.cache_dir));
  QEVAL_TRY(Head head, head(repo, expected.path));
  if (!expected.sha256.empty() && is_sha256_hex(head.etag) && head.etag != expected.sha256)
    return fail(ErrorKind::environment, fmt::format("hf:{}:{}: the hub states two hashes, {} and {}", repo.id,
                                                    expected.path, expected.sha256, head.etag));
  return fetch(repo, expected, head, progress);
}

Result<HubDownload> Hub::fetch(const HubRepo& repo, const HubFile& expected, const Head& head,
                               const HubProgress& progress) const {
  HubCache cache(config_.cache_dir, repo);
  std::string blob = cache.blob_path(head.etag);
  bool large = is_sha256_hex(head.etag);
  if (!file_exists(blob)) {
    DownloadRequest get{request(resolve_url(repo, head.commit, expected.path)), blob, large ? head.etag : "",
                        head.size >= 0 ? head.size : expected.size};
    get.http.max_bytes = kMaxFileBytes;
    if (progress) {
      get.http.progress = [&](int64_t done, int64_t total) {
        return progress(expected.path, done, total >= 0 ? total : get.size);
      };
    }
    QEVAL_CHECK(make_directories(fs::path(blob).parent_path().string()));
    std::error_code none_there;
    auto there = static_cast<int64_t>(fs::file_size(blob + ".incomplete", none_there));
    QEVAL_CHECK(enough_space(fs::path(blob).parent_path().string(), get.size - (none_there ? 0 : there)));
    auto done = http_download(get);
    if (!done) return fail(explain(repo, expected.path, done.error()));
    if (!large && is_commit(head.etag)) {
      QEVAL_TRY(std::string id, git_blob_id(blob));
      if (id != head.etag) {
        std::error_code ignored;
        fs::remove(blob, ignored);
        return fail(ErrorKind::environment,
                    fmt::format("hf:{}:{}: the data has git id {}, {} was expected; nothing was kept", repo.id,
                                expected.path, id, head.etag));
      }
    }
  }
  QEVAL_TRY(std::string path, cache.link(head.commit, expected.path, head.etag));
  QEVAL_CHECK(cache.remember_commit(head.commit));
  return HubDownload{path, head.commit, large ? head.etag : "", false};
}

}  // namespace qeval
