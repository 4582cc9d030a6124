#include "qeval/registry/model_resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "qeval/net/hub.h"
#include "qeval/registry/model_registry.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

// "Qwen2.5 0.5B Instruct" and "qwen2.5-0.5b-instruct" are one name.
std::string normalised(const std::string& name) {
  std::string out;
  for (unsigned char c : name)
    if (std::isalnum(c) || c == '.') out += static_cast<char>(std::tolower(c));
  return out;
}

bool looks_like_path(const std::string& asked) {
  return asked.size() > 5 && asked.compare(asked.size() - 5, 5, ".gguf") == 0;
}

struct Chosen {
  HubListing listing;
  std::vector<HubFile> files;
};

// What was named exactly and lies in the cache whole needs no question to the hub.
Result<Chosen> choose_files(const Hub& hub, const HubRepo& repo, const std::string& wanted) {
  if (!wanted.empty())
    if (auto cached = hub.cached(repo))
      if (auto files = pick_gguf(cached->files, wanted)) return Chosen{std::move(*cached), std::move(*files)};
  QEVAL_TRY(HubListing listing, hub.list(repo));
  auto files = pick_gguf(listing.files, wanted);
  if (!files) return fail(files.error().in("hf:" + repo.id));
  return Chosen{std::move(listing), std::move(*files)};
}

Result<ResolvedModel> from_hub(const std::string& repo_id, const std::string& wanted, const ModelProgress& progress) {
  Hub hub(hub_config_from_environment());
  HubRepo repo{repo_id, "main", HubKind::model};
  QEVAL_TRY(auto chosen, choose_files(hub, repo, wanted));
  const auto& [listing, files] = chosen;
  HubRepo at_commit{repo_id, listing.commit, HubKind::model};
  ResolvedModel out;
  out.source = fmt::format("hf:{}:{}", repo_id, files.front().path);
  out.revision = listing.commit;
  for (const HubFile& file : files) {
    QEVAL_TRY(HubDownload download, hub.download(at_commit, file, progress));
    if (out.gguf_path.empty()) out.gguf_path = download.path;
  }
  if (!listing.from_cache) QEVAL_CHECK(hub.remember(repo, listing.commit));
  return out;
}

std::optional<ModelSpec> by_gguf_repo(const std::vector<ModelSpec>& models, const std::string& repo) {
  // Rows of the first tracker share weights with a row named after them: the latter is the better name.
  auto it = std::find_if(models.rbegin(), models.rend(), [&](const ModelSpec& m) {
    return (m.gguf_repo == repo || m.hf_id == repo) && m.identity_note.empty();
  });
  return it == models.rend() ? std::nullopt : std::optional<ModelSpec>(*it);
}

Result<ResolvedModel> from_hf_argument(const std::string& asked, const std::vector<ModelSpec>& models,
                                       const ModelProgress& progress) {
  std::string rest = asked.substr(3);
  size_t colon = rest.find(':');
  std::string repo = rest.substr(0, colon), wanted = colon == std::string::npos ? "" : rest.substr(colon + 1);
  if (!is_hub_repo_id(repo)) return bad_input(fmt::format("--model {}: hf:ORG/REPO[:QUANT|FILE] was expected", asked));
  QEVAL_TRY(ResolvedModel out, from_hub(repo, wanted, progress));
  out.spec = by_gguf_repo(models, repo);
  out.hf_id = out.spec ? out.spec->hf_id : repo;
  return out;
}

}  // namespace

std::optional<ModelSpec> model_by_gguf_name(const std::vector<ModelSpec>& models, const std::string& general_name) {
  std::string wanted = normalised(general_name);
  if (wanted.empty()) return std::nullopt;
  for (const ModelSpec& m : models) {
    if (!m.identity_note.empty() && m.family != "smollm2") continue;
    std::string repo_name = m.hf_id.substr(m.hf_id.find('/') + 1);
    std::string mine = normalised(repo_name);
    if (wanted == mine || wanted == normalised(m.name)) return m;
    // Files call themselves by the size label in other spellings ("Smollm2 135M 8k Lc100K Mix1 Ep2" stays unknown).
  }
  return std::nullopt;
}

std::optional<ModelSpec> model_by_sha256(const std::vector<ModelSpec>& models, const std::string& sha256) {
  for (const ModelSpec& m : models)
    if (std::find(m.gguf_sha256.begin(), m.gguf_sha256.end(), sha256) != m.gguf_sha256.end()) return m;
  return std::nullopt;
}

Result<ResolvedModel> resolve_model(const std::string& asked, const std::vector<ModelSpec>& models,
                                    const ModelProgress& progress) {
  if (asked.rfind("hf:", 0) == 0) return from_hf_argument(asked, models, progress);
  std::error_code ignored;
  if (looks_like_path(asked) || std::filesystem::is_regular_file(asked, ignored)) {
    if (!file_exists(asked)) return bad_input(fmt::format("--model {}: no such file", asked));
    ResolvedModel out;
    out.gguf_path = asked;
    out.source = asked;
    return out;
  }
  QEVAL_TRY(ModelSpec spec, find_model(models, asked));
  if (spec.gguf_repo.empty())
    return bad_input(
        fmt::format("--model {}: the registry knows no GGUF repository for {}; give a path or hf:ORG/REPO:QUANT", asked,
                    spec.hf_id));
  QEVAL_TRY(ResolvedModel out, from_hub(spec.gguf_repo, spec.gguf_quant, progress));
  out.spec = spec;
  out.hf_id = spec.hf_id;
  return out;
}

}  // namespace qeval
