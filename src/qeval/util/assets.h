#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qeval {

// A shipped file, compiled into the binary. `path` is relative to the project, e.g. "tasks/gsm8k/gsm8k.yaml".
struct Asset {
  std::string path;
  std::string_view content;  // lives as long as the program
};

const std::vector<Asset>& shipped_assets();

inline std::optional<std::string_view> find_asset(std::string_view path) {
  for (const Asset& asset : shipped_assets())
    if (asset.path == path) return asset.content;
  return std::nullopt;
}

}  // namespace qeval
