#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "qeval/net/hub.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

constexpr const char* kPreferred[] = {"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "F16", "BF16"};
constexpr int kMaxParts = 999;

struct PartName {
  std::string stem;  // without "-00001-of-00002.gguf"
  int part = 1, n_parts = 1;
};

bool digits(std::string_view text, int& value) {
  return std::from_chars(text.data(), text.data() + text.size(), value).ptr == text.data() + text.size();
}

// nullopt: no GGUF.
std::optional<PartName> part_name(const std::string& file) {
  if (file.size() < 6 || upper_ascii(file.substr(file.size() - 5)) != ".GGUF") return std::nullopt;
  PartName name{file.substr(0, file.size() - 5), 1, 1};
  constexpr size_t kSuffix = 15;  // -00001-of-00002
  if (name.stem.size() <= kSuffix) return name;
  std::string_view suffix = std::string_view(name.stem).substr(name.stem.size() - kSuffix);
  int part = 0, n_parts = 0;
  if (suffix[0] != '-' || suffix.substr(6, 4) != "-of-" || !digits(suffix.substr(1, 5), part) ||
      !digits(suffix.substr(10), n_parts))
    return name;
  name.stem.resize(name.stem.size() - kSuffix);
  name.part = part;
  name.n_parts = n_parts;
  return name;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

struct Group {
  std::string stem, quantization;
  int n_parts = 1;
  std::map<int, HubFile> parts;
};

std::vector<Group> groups_of(const std::vector<HubFile>& files) {
  std::map<std::pair<std::string, int>, Group> groups;
  for (const HubFile& file : files) {
    auto name = part_name(file.path);
    if (!name || name->n_parts < 1 || name->n_parts > kMaxParts) continue;
    Group& group = groups[{name->stem, name->n_parts}];
    group.stem = name->stem;
    group.n_parts = name->n_parts;
    group.quantization = quantization_in_name(file.path);
    group.parts[name->part] = file;
  }
  std::vector<Group> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  return out;
}

Result<std::vector<HubFile>> whole(const Group& group) {
  std::vector<HubFile> out;
  for (int part = 1; part <= group.n_parts; ++part) {
    auto it = group.parts.find(part);
    if (it == group.parts.end())
      return bad_input(fmt::format("{}: part {} of {} is missing", group.stem, part, group.n_parts));
    out.push_back(it->second);
  }
  return out;
}

std::vector<std::string> choices(const std::vector<Group>& groups) {
  std::vector<std::string> out;
  for (const Group& g : groups) out.push_back(g.quantization.empty() ? base_name(g.stem) + ".gguf" : g.quantization);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.size() > 40) out.resize(40);
  return out;
}

Result<std::vector<HubFile>> one_of(const std::vector<const Group*>& fitting, const std::string& wanted) {
  if (fitting.size() == 1) return whole(*fitting[0]);
  // One of them may be the model and the others a draft or an importance matrix beside it: the user chooses.
  std::vector<std::string> names;
  for (const Group* g : fitting) names.push_back(g->parts.begin()->second.path);
  return bad_input(fmt::format("{} fits several files: {}; give the file's name", wanted, fmt::join(names, ", ")));
}

}  // namespace

std::string quantization_in_name(const std::string& file) {
  auto name = part_name(file);
  if (!name) return "";
  std::string stem = upper_ascii(base_name(name->stem));
  // The last piece between '-' or '.' that reads like a quantisation.
  size_t end = stem.size();
  while (true) {
    size_t cut = end == 0 ? std::string::npos : stem.find_last_of("-.", end - 1);
    size_t begin = cut == std::string::npos ? 0 : cut + 1;
    std::string_view piece = std::string_view(stem).substr(begin, end - begin);
    size_t lead = piece.starts_with("IQ") || piece.starts_with("TQ") ? 2 : piece.starts_with("Q") ? 1 : 0;
    bool quantised = lead > 0 && piece.size() > lead && std::isdigit(static_cast<unsigned char>(piece[lead])) &&
                     (piece.size() == lead + 1 || piece[lead + 1] == '_');
    if (quantised || piece == "F16" || piece == "F32" || piece == "BF16" || piece == "FP16" || piece == "FP32" ||
        piece.starts_with("MXFP"))
      return std::string(piece);
    if (cut == std::string::npos) return "";
    end = cut;
  }
}

Result<std::vector<HubFile>> pick_gguf(const std::vector<HubFile>& files, const std::string& wanted) {
  std::vector<Group> groups = groups_of(files);
  if (groups.empty()) return bad_input("no GGUF file there; a repository whose name ends in -GGUF is needed");
  for (const Group& g : groups)
    for (const auto& [part, file] : g.parts)
      if (file.path == wanted || base_name(file.path) == wanted) return whole(g);
  if (auto file = part_name(wanted))
    return bad_input(fmt::format("no file {} there; it has {}", wanted, fmt::join(choices(groups), ", ")));
  std::erase_if(groups, [](const Group& g) { return upper_ascii(base_name(g.stem)).find("MMPROJ") != std::string::npos; });
  auto with = [&](const std::string& quantization) {
    std::vector<const Group*> out;
    for (const Group& g : groups)
      if (g.quantization == quantization || (quantization == "F16" && g.quantization == "FP16")) out.push_back(&g);
    return out;
  };
  if (!wanted.empty()) {
    auto fitting = with(upper_ascii(wanted));
    if (fitting.empty())
      return bad_input(fmt::format("no {} there; it has {}", wanted, fmt::join(choices(groups), ", ")));
    return one_of(fitting, wanted);
  }
  if (groups.size() == 1) return whole(groups[0]);
  for (const char* quantization : kPreferred)
    if (auto fitting = with(quantization); !fitting.empty()) return one_of(fitting, quantization);
  return bad_input(fmt::format("a quantisation must be named, as in hf:ORG/REPO:{}; it has {}",
                               choices(groups).empty() ? "Q8_0" : choices(groups)[0],
                               fmt::join(choices(groups), ", ")));
}

}  // namespace qeval
