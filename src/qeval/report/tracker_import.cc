#include <fmt/format.h>

#include "qeval/report/tracker.h"
#include "qeval/text/regex.h"
#include "qeval/text/unicode.h"

namespace qeval {
namespace {

std::string plain(std::string cell) {
  std::string out;
  for (char c : cell)
    if (c != '*' && c != '`') out += c;
  return py_strip(out);
}

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out;
  size_t start = 1;
  while (start < line.size()) {
    size_t bar = line.find('|', start);
    if (bar == std::string::npos) break;
    out.push_back(plain(line.substr(start, bar - start)));
    start = bar + 1;
  }
  return out;
}

// Which heading of the document a line stands under.
struct Place { std::string section, model, preset; };

void read_row(const std::vector<std::string>& row, const Place& place, const Regex& share, Json& out) {
  if (row.size() >= 4 && row[1].find('/') == std::string::npos && place.section.find("Evaluation Results") != std::string::npos) {
    auto match = share.search(row[3]);
    if (!match || !*match) return;
    double value = std::atof((*match)->groups[1].value_or("0").c_str()) / 100;
    out["scores"].push_back({{"model", place.model}, {"preset", place.preset}, {"dataset", row[0]}, {"task_type", row[1]},
                             {"samples", std::atoi(row[2].c_str())}, {"value", value}, {"notes", row.size() > 5 ? row[5] : ""}});
  } else if (row.size() >= 8 && row[2].find('/') != std::string::npos) {
    out["models"].push_back({{"id", row[0]}, {"name", row[1]}, {"hf_id", row[2]}, {"size", row[3]}});
  }
}

}  // namespace

Result<Json> import_tracker_v1(const std::string& text) {
  QEVAL_TRY(Regex share, Regex::compile(R"(([0-9]+(?:\.[0-9]+)?)\s*%)"));
  QEVAL_TRY(Regex field, Regex::compile(R"(^\s*-?\s*\*\*([^*:]+):\*\*\s*(.+?)\s*$)"));
  Json out = {{"models", Json::array()}, {"scores", Json::array()}, {"facts", Json::array()}};
  Place place;
  size_t start = 0;
  while (start < text.size()) {
    size_t end = std::min(text.find('\n', start), text.size());
    std::string line = text.substr(start, end - start);
    start = end + 1;
    if (line.rfind("## ", 0) == 0) place = {line.substr(3), "", ""};
    else if (line.rfind("### ", 0) == 0) place.model = plain(line.substr(4)), place.preset = "";
    else if (line.rfind("#### ", 0) == 0) place.preset = plain(line.substr(5));
    else if (line.rfind("|", 0) == 0) read_row(cells(line), place, share, out);
    else if (auto match = field.search(line); match && *match && out["facts"].size() < 200) {
      out["facts"].push_back({{"section", place.section}, {"model", place.model}, {"preset", place.preset},
                              {"name", *(*match)->groups[1]}, {"value", plain(*(*match)->groups[2])}});
    }
  }
  if (out["scores"].empty()) return bad_input("no score rows of a first tracker (| Dataset | Task Type | Samples | Score | …) were found");
  for (const Json& fact : out["facts"])
    if (json_string(fact, "name") == "Last Updated") out["last_updated"] = fact["value"];
  return out;
}

}  // namespace qeval
