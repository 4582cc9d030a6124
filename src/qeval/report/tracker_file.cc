#include <fmt/format.h>

#include <map>

#include "qeval/report/tracker.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

constexpr std::string_view kMark = "<!-- qeval:tracker";
constexpr std::string_view kKeepBegin = "<!-- qeval:keep ";
constexpr std::string_view kKeepEnd = "<!-- /qeval:keep -->";

}  // namespace

bool is_own_tracker(const std::string& text) { return text.find(kMark) != std::string::npos; }

std::map<std::string, std::string> kept_texts(const std::string& text) {
  std::map<std::string, std::string> kept;
  size_t at = 0;
  while ((at = text.find(kKeepBegin, at)) != std::string::npos) {
    size_t name_end = text.find(" -->", at);
    size_t end = text.find(kKeepEnd, at);
    if (name_end == std::string::npos || end == std::string::npos || name_end > end) break;
    std::string name = text.substr(at + kKeepBegin.size(), name_end - at - kKeepBegin.size());
    size_t begin = name_end + 4;
    if (begin < end && text[begin] == '\n') ++begin;
    kept[name] = text.substr(begin, end - begin);
    at = end + kKeepEnd.size();
  }
  return kept;
}

Status check_tracker_writable(const std::string& path) {
  if (!file_exists(path)) return {};
  QEVAL_TRY(std::string text, read_file(path));
  if (text.empty() || is_own_tracker(text)) return {};
  return bad_input(fmt::format("{}: was not written by qeval and is left as it is; name another file with --tracker FILE, "
                               "or keep its text under a heading with `qeval tracker --adopt`", path));
}

Status update_tracker_file(const std::string& path, const TrackerInput& input) {
  QEVAL_CHECK(check_tracker_writable(path));
  std::map<std::string, std::string> kept;
  if (auto text = read_file(path)) kept = kept_texts(*text);
  std::string document = render_tracker(input, kept);
  if (auto text = read_file(path); text && *text == document) return {};
  return write_file_atomic(path, document);
}

Result<TrackerInput> tracker_input(const Store& store) {
  TrackerInput input;
  QEVAL_TRY(input.runs, load_views(store));
  QEVAL_TRY(auto imported, store.text("tracker_import"));
  if (imported) {
    QEVAL_TRY(input.imported, parse_json(*imported));
  }
  QEVAL_TRY(auto adopted, store.text("tracker_adopted"));
  if (adopted) input.adopted = *adopted;
  return input;
}

}  // namespace qeval
