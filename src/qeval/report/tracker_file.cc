#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "qeval/report/tracker.h"
#include "qeval/util/file.h"

namespace qeval {
namespace {

constexpr std::string_view kMark = "<!-- qeval:tracker";
constexpr std::string_view kKeepBegin = "<!-- qeval:keep ", kKeepBeginEnd = " -->";
constexpr std::string_view kKeepEnd = "<!-- /qeval:keep -->";
constexpr int kMarkWithin = 20;  // lines from the top

// Takes a line off the front, its line break included.
std::string_view take_line(std::string_view& text) {
  size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end);
  return line;
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
    line.remove_suffix(1);
  return line;
}

bool is_mark_name(std::string_view name) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), fits);
}

}  // namespace

bool is_own_tracker(const std::string& text) {
  std::string_view rest = text;
  for (int i = 0; i < kMarkWithin && !rest.empty(); ++i)
    if (take_line(rest).starts_with(kMark)) return true;
  return false;
}

Result<std::map<std::string, std::string>> kept_texts(const std::string& text) {
  std::map<std::string, std::string> kept;
  std::string_view rest = text;
  std::string open;
  int number = 0, opened = 0;
  while (!rest.empty()) {
    std::string_view line = take_line(rest), bare = trimmed(line);
    ++number;
    if (!open.empty()) {
      // A text that began and did not end would take what qeval wrote after it for its own.
      if (bare.starts_with(kKeepBegin))
        return bad_input(
            fmt::format("line {}: a keep mark inside the text \"{}\", which began in line {} and has not ended", number,
                        open, opened));
      if (bare == kKeepEnd)
        open.clear();
      else
        kept[open] += line;
    } else if (bare.starts_with(kKeepBegin)) {
      std::string_view name = bare.substr(kKeepBegin.size());
      if (name.ends_with(kKeepBeginEnd)) name.remove_suffix(kKeepBeginEnd.size());
      if (!is_mark_name(name))
        return bad_input(fmt::format("line {}: a mark \"<!-- qeval:keep NAME -->\" was expected", number));
      open = name;
      opened = number;
      kept[open];
    } else if (bare == kKeepEnd) {
      return bad_input(fmt::format("line {}: this keep mark closes nothing", number));
    }
  }
  if (!open.empty())
    return bad_input(fmt::format("line {}: the text \"{}\" has no line \"{}\" after it", opened, open, kKeepEnd));
  return kept;
}

namespace {

// Of the document that is there now; empty where there is none.
Result<std::map<std::string, std::string>> kept_in_file(const std::string& path) {
  if (!file_exists(path)) return std::map<std::string, std::string>();
  QEVAL_TRY(std::string text, read_file(path));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return std::map<std::string, std::string>();
  if (!is_own_tracker(text))
    return bad_input(
        fmt::format("{}: was not written by qeval and is left as it is. Name another file with --tracker FILE, or "
                    "keep its whole text under a heading with: qeval tracker --adopt --tracker {}",
                    path, path));
  auto kept = kept_texts(text);
  if (!kept) return fail(kept.error().in(path + ": is left as it is"));
  return kept;
}

}  // namespace

Status check_tracker_writable(const std::string& path) {
  QEVAL_CHECK(kept_in_file(path));
  return {};
}

Status update_tracker_file(const std::string& path, const TrackerInput& input) {
  QEVAL_TRY(auto kept, kept_in_file(path));
  std::string document = render_tracker(input, kept);
  if (auto text = read_file(path); text && *text == document) return {};
  return write_file_atomic(path, document);
}

namespace {

// What comparing two runs' answers by a judge came to; null for a run of another kind.
Result<Json> judged_pair(const Store& store, const RunRecord& run) {
  if (run.suite != kJudgeSuite) return Json();
  const Json about = run.spec.value(Json::json_pointer("/arguments/judge"), Json::object());
  if (!about.contains("first_run")) return Json();
  const std::string name = fmt::format("judge_pair:{}:{}:{}", json_int(about, "first_run"), json_int(about, "second_run"), run.id);
  QEVAL_TRY(auto text, store.text(name));
  return text ? parse_json(*text) : Result<Json>(Json());
}

}  // namespace

Result<TrackerInput> tracker_input(const Store& store) {
  TrackerInput input;
  QEVAL_TRY(input.runs, load_views(store));
  for (const RunView& view : input.runs) {
    QEVAL_TRY(Json pair, judged_pair(store, view.run));
    if (pair.is_object()) input.judged_pairs.push_back(std::move(pair));
  }
  // What a judge said about others is no result of its own.
  std::erase_if(input.runs, [](const RunView& view) { return view.run.suite == kJudgeSuite; });
  QEVAL_CHECK(load_items(store, input.runs));
  QEVAL_TRY(auto imported, store.text("tracker_import"));
  if (imported) {
    QEVAL_TRY(input.imported, parse_json(*imported));
  }
  QEVAL_TRY(auto adopted, store.text("tracker_adopted"));
  if (adopted) input.adopted = *adopted;
  return input;
}

}  // namespace qeval
