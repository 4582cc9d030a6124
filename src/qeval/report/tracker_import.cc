#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "qeval/report/tracker.h"
#include "qeval/text/unicode.h"
#include "qeval/util/hash.h"

namespace qeval {
namespace {

constexpr size_t kMostFacts = 200, kMostCells = 64;

std::string plain(std::string_view cell) {
  std::string out;
  for (char c : cell)
    if (c != '*' && c != '`') out += c;
  return py_strip(valid_utf8(out));
}

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> out;
  line.remove_prefix(1);
  while (out.size() < kMostCells) {
    size_t bar = line.find('|');
    if (bar == std::string_view::npos) break;
    out.push_back(plain(line.substr(0, bar)));
    line.remove_prefix(bar + 1);
  }
  return out;
}

// The first number in the text.
std::optional<double> first_number(const std::string& text) {
  size_t at = text.find_first_of("0123456789");
  if (at == std::string::npos) return std::nullopt;
  double value = 0;
  auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

class Reader {
 public:
  Json read(std::string_view text) {
    while (!text.empty()) {
      size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end);
      while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
      read_line(line);
    }
    return std::move(out_);
  }

 private:
  void read_line(std::string_view line) {
    if (line.starts_with("```")) fenced_ = !fenced_;
    if (fenced_) return;
    if (line.starts_with("#")) return heading(line);
    if (line.starts_with("|")) return row(cells_of(line));
    columns_.clear();
    fact(line);
  }

  void heading(std::string_view line) {
    size_t depth = line.find_first_not_of('#');
    if (depth == std::string_view::npos || depth > 5) return;
    std::string title = plain(line.substr(depth));
    columns_.clear();
    if (depth == 2) section_ = title;
    if (depth <= 3) model_ = depth == 3 ? title : "";
    if (depth <= 4) preset_ = depth == 4 ? title : "";
    if (depth <= 5) part_ = depth == 5 ? title : "";
  }

  // Columns are found by their titles, so that an order of their own does no harm.
  void row(const std::vector<std::string>& cells) {
    if (columns_.empty()) {
      for (size_t i = 0; i < cells.size(); ++i) columns_[py_lower(cells[i])] = i;
      return;
    }
    bool rule = std::all_of(cells.begin(), cells.end(),
                            [](const std::string& c) { return c.find_first_not_of("-: ") == std::string::npos; });
    if (rule) return;
    auto cell = [&](const char* name) {
      auto it = columns_.find(name);
      return it != columns_.end() && it->second < cells.size() ? cells[it->second] : "";
    };
    if (columns_.contains("dataset") && columns_.contains("score")) {
      auto value = first_number(cell("score"));
      if (!value) return;
      out_["scores"].push_back(
          {{"model", model_},
           {"preset", preset_},
           {"dataset", cell("dataset")},
           {"task_type", cell("task type")},
           {"samples", static_cast<int64_t>(std::clamp(first_number(cell("samples")).value_or(0), 0.0, 1e12))},
           {"value", *value / 100},
           {"status", cell("status")},
           {"notes", cell("notes")}});
    } else if (columns_.contains("model id")) {
      out_["models"].push_back({{"id", cell("model id")},
                                {"name", cell("model name")},
                                {"hf_id", cell("huggingface id")},
                                {"size", cell("size")},
                                {"status", cell("status")}});
    }
  }

  // "- **Name:** value"
  void fact(std::string_view line) {
    size_t open = line.find("**"), close = line.find(":**");
    if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2 ||
        out_["facts"].size() >= kMostFacts)
      return;
    if (line.substr(0, open).find_first_not_of(" -") != std::string_view::npos) return;
    std::string name = plain(line.substr(open + 2, close - open - 2)), value = plain(line.substr(close + 3));
    out_["facts"].push_back({{"section", section_},
                             {"model", model_},
                             {"preset", preset_},
                             {"part", part_},
                             {"name", name},
                             {"value", value}});
    if (model_.empty() && name == "Last Updated") out_["last_updated"] = value;
    if (model_.empty() && name == "Framework Version") out_["framework"] = value;
    if (model_.empty() && name == "GPU Environment") out_["gpu"] = value;
  }

  Json out_ = {{"last_updated", ""},      {"framework", ""},         {"gpu", ""},
               {"models", Json::array()}, {"scores", Json::array()}, {"facts", Json::array()}};
  bool fenced_ = false;
  std::string section_, model_, preset_, part_;
  std::map<std::string, size_t> columns_;
};

}  // namespace

Result<Json> import_tracker_v1(const std::string& text) {
  Json out = Reader().read(text);
  if (out["scores"].empty())
    return bad_input("no table of scores (| Dataset | Task Type | Samples | Score | …) was found in it");
  out["verified"] = false;
  out["source_sha256"] = sha256_hex(text);
  return out;
}

}  // namespace qeval
