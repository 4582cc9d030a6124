#include "qeval/scorer/ifeval.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "qeval/scorer/answer.h"
#include "qeval/scorer/ifeval_checks.h"
#include "qeval/text/unicode.h"
#include "qeval/util/file.h"

namespace qeval {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxAnswerBytes = size_t{256} << 10;

Result<std::string> part(const std::string& folder, const std::string& name) {
  auto text = read_file((fs::path(folder) / name).string());
  if (!text) return bad_input(text.error().message + "; `qeval data pull ifeval` fetches it");
  return text;
}

const IfevalKind* find_kind(const std::string& id) {
  for (const IfevalKind* kinds : {ifeval_word_kinds(), ifeval_form_kinds()})
    for (; kinds->id; ++kinds)
      if (id == kinds->id) return kinds;
  return nullptr;
}

// As the original: arguments that are null, empty or zero count as absent.
bool is_set(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_string() || value.is_array() || value.is_object()) return !value.empty() && value != "";
  return !(value.is_number() && value.get<double>() == 0) && value != false;
}

Result<std::vector<IfevalInstruction>> instructions_of(const Json& doc) {
  const Json empty = Json::array();
  const Json& ids = doc.contains("instruction_id_list") ? doc["instruction_id_list"] : empty;
  const Json& all = doc.contains("kwargs") ? doc["kwargs"] : empty;
  if (!ids.is_array() || !all.is_array() || ids.size() != all.size() || ids.empty())
    return bad_input("instruction_id_list and kwargs: two lists of one length were expected");
  std::vector<IfevalInstruction> out;
  for (size_t i = 0; i < ids.size(); ++i) {
    IfevalInstruction instruction{ids[i].is_string() ? ids[i].get<std::string>() : "", Json::object()};
    if (!find_kind(instruction.id)) return bad_input(fmt::format("instruction '{}' is unknown", instruction.id));
    for (const auto& [key, value] : all[i].items())
      if (is_set(value)) instruction.kwargs[key] = value;
    out.push_back(std::move(instruction));
  }
  return out;
}

struct Verdict {
  std::vector<bool> strict, loose;
  std::string problem;  // an instruction that could not be checked, and why
};

bool decide(const IfevalInstruction& instruction, const std::string& text, const IfevalModels& models, Verdict& verdict) {
  auto holds = follows(instruction, text, models);
  if (!holds) verdict.problem = fmt::format("{}: {}", instruction.id, holds.error().message);
  return holds.value_or(false);
}

Verdict judge(const std::vector<IfevalInstruction>& instructions, const std::string& text, const IfevalModels& models) {
  Verdict out;
  std::vector<std::string> variants = loose_variants(text);
  for (const IfevalInstruction& instruction : instructions) {
    bool strict = decide(instruction, text, models, out);
    bool loose = strict || std::any_of(variants.begin(), variants.end(), [&](const std::string& variant) {
                   return variant != text && decide(instruction, variant, models, out);
                 });
    out.strict.push_back(strict);
    out.loose.push_back(loose);
  }
  return out;
}

bool all_of(const std::vector<bool>& flags) { return std::find(flags.begin(), flags.end(), false) == flags.end(); }

FailureClass class_of(const Verdict& verdict, const Answer& answer) {
  if (all_of(verdict.strict)) return FailureClass::correct;
  if (answer.unfinished_thinking) return FailureClass::unfinished_thinking;
  if (answer.cut_by_length) return FailureClass::truncated;
  if (is_blank(answer.text)) return FailureClass::empty_or_refusal;
  return all_of(verdict.loose) ? FailureClass::wrong_format : FailureClass::wrong_answer;
}

}  // namespace

const Json& IfevalArguments::at(const char* key) const {
  static const Json null;
  auto it = instruction_.kwargs.find(key);
  return it == instruction_.kwargs.end() ? null : *it;
}

Error IfevalArguments::wrong(const char* key, const char* expected) const {
  return {ErrorKind::bad_input, fmt::format("{}: {} was expected, not {}", key, expected, dump_json(at(key)).substr(0, 80))};
}

Result<std::string> IfevalArguments::text(const char* key) const {
  const Json& value = at(key);
  if (!value.is_string()) return fail(wrong(key, "a text"));
  return value.get<std::string>();
}

Result<int64_t> IfevalArguments::integer(const char* key) const {
  const Json& value = at(key);
  double number = value.is_number() ? value.get<double>() : 0.5;
  if (number != std::floor(number) || std::abs(number) > 1e15) return fail(wrong(key, "a whole number"));
  return static_cast<int64_t>(number);
}

Result<std::vector<std::string>> IfevalArguments::texts(const char* key) const {
  const Json& value = at(key);
  std::vector<std::string> out;
  for (const Json& item : value.is_array() ? value : Json::array()) {
    if (!item.is_string()) return fail(wrong(key, "a list of texts"));
    out.push_back(item.get<std::string>());
  }
  if (out.empty()) return fail(wrong(key, "a list of texts"));
  return out;
}

Result<bool> IfevalArguments::compare(const char* key, const char* than, int64_t found) const {
  QEVAL_TRY(std::string relation, text(key));
  QEVAL_TRY(int64_t wanted, integer(than));
  if (relation != "less than" && relation != "at least") return fail(wrong(key, "\"less than\" or \"at least\""));
  return relation == "less than" ? found < wanted : found >= wanted;
}

Result<IfevalModels> load_ifeval_models(const std::string& folder) {
  PunktFiles punkt;
  QEVAL_TRY(punkt.abbrev_types, part(folder, "punkt/english/abbrev_types.txt"));
  QEVAL_TRY(punkt.collocations, part(folder, "punkt/english/collocations.tab"));
  QEVAL_TRY(punkt.sent_starters, part(folder, "punkt/english/sent_starters.txt"));
  QEVAL_TRY(punkt.ortho_context, part(folder, "punkt/english/ortho_context.tab"));
  IfevalModels out;
  QEVAL_TRY(out.sentences, SentenceSplitter::load(punkt));
  std::vector<std::string> names;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(fs::path(folder) / "langdetect/profiles", ec))
    if (!entry.path().filename().string().starts_with('.')) names.push_back(entry.path().filename().string());
  if (names.empty())
    return bad_input(fmt::format("{}/langdetect/profiles: no language profile; `qeval data pull ifeval` fetches them", folder));
  std::sort(names.begin(), names.end());
  std::vector<std::pair<std::string, std::string>> profiles;
  for (const std::string& name : names) {
    QEVAL_TRY(std::string text, part(folder, "langdetect/profiles/" + name));
    profiles.emplace_back(name, std::move(text));
  }
  QEVAL_TRY(std::string messages, part(folder, "langdetect/messages.properties"));
  QEVAL_TRY(out.languages, LanguageDetector::load(profiles, messages));
  return out;
}

Result<bool> follows(const IfevalInstruction& instruction, std::string_view text, const IfevalModels& models) {
  const IfevalKind* kind = find_kind(instruction.id);
  if (!kind) return bad_input("unknown instruction");
  if (is_blank(text)) return false;
  return kind->check(IfevalArguments(instruction), {text, models});
}

std::vector<std::string> ifeval_kinds() {
  std::vector<std::string> out;
  for (const IfevalKind* kinds : {ifeval_word_kinds(), ifeval_form_kinds()})
    for (; kinds->id; ++kinds) out.emplace_back(kinds->id);
  return out;
}

std::vector<std::string> loose_variants(const std::string& text) {
  size_t first = text.find('\n'), last = text.rfind('\n');
  bool one_line = first == std::string::npos;
  std::string no_first = one_line ? "" : py_strip(text.substr(first + 1));
  std::string no_last = one_line ? "" : py_strip(text.substr(0, last));
  std::string neither = one_line || first == last ? "" : py_strip(text.substr(first + 1, last - first - 1));
  std::vector<std::string> out;
  auto add = [&](const std::string& variant) {
    if (!variant.empty() && std::find(out.begin(), out.end(), variant) == out.end()) out.push_back(variant);
  };
  for (const std::string* variant : std::initializer_list<const std::string*>{&text, &no_first, &no_last, &neither}) {
    add(*variant);
    std::string plain = *variant;
    std::erase(plain, '*');
    add(plain);
  }
  return out;
}

Result<IfevalChecker> IfevalChecker::compile(const TaskSpec& spec) {
  std::string folder = json_string(spec.scoring.scorer_options, "folder");
  if (folder.empty())
    return bad_input(fmt::format("{}: needs the sentence model and the language profiles of the original; "
                                 "`qeval data pull ifeval` fetches them", spec.name));
  IfevalChecker out;
  out.scoring_ = spec.scoring;
  QEVAL_TRY(IfevalModels models, load_ifeval_models(folder));
  out.models_ = std::make_shared<const IfevalModels>(std::move(models));
  return out;
}

Score IfevalChecker::score(const Sample& sample, const Response& response) const {
  Score out;
  Answer answer = prepare_answer(response, scoring_, sample);
  out.extracted = answer.text.substr(0, 2000);
  auto instructions = instructions_of(sample.doc);
  if (!instructions) {
    out.failure_class = FailureClass::sandbox_failure;
    out.explanation = instructions.error().message;
    return out;
  }
  bool too_long = answer.text.size() > kMaxAnswerBytes;
  Verdict verdict;
  if (too_long) verdict.strict = verdict.loose = std::vector<bool>(instructions->size(), false);
  else verdict = judge(*instructions, answer.text, *models_);
  out.failure_class = class_of(verdict, answer);
  Json listed = Json::array();
  std::string missed;
  double n = static_cast<double>(instructions->size()), strict = 0, loose = 0;
  for (size_t i = 0; i < instructions->size(); ++i) {
    listed.push_back({{"id", (*instructions)[i].id}, {"strict", bool(verdict.strict[i])}, {"loose", bool(verdict.loose[i])}});
    strict += verdict.strict[i];
    loose += verdict.loose[i];
    if (!verdict.strict[i])
      missed += fmt::format("{}{}{}", missed.empty() ? "" : ", ", (*instructions)[i].id, verdict.loose[i] ? " (holds loosely)" : "");
  }
  if (!missed.empty()) out.explanation = "not followed: " + missed;
  if (too_long) out.explanation += fmt::format("; the answer has {} bytes, more than 256 KiB is not read", answer.text.size());
  if (!verdict.problem.empty()) out.explanation += "; not checked: " + verdict.problem;
  out.metrics = {{"prompt_level_strict_acc", all_of(verdict.strict) ? 1 : 0}, {"inst_level_strict_acc", strict / n},
                 {"prompt_level_loose_acc", all_of(verdict.loose) ? 1 : 0}, {"inst_level_loose_acc", loose / n}};
  out.details = {{"instructions", std::move(listed)},
                 {"weighted", {{"inst_level_strict_acc", Json::array({strict, n})}, {"inst_level_loose_acc", Json::array({loose, n})}}}};
  return out;
}

}  // namespace qeval
