#include "qeval/task/hooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "qeval/task/bfcl.h"
#include "qeval/text/unicode.h"
#include "qeval/util/assets.h"

namespace qeval {
namespace {

struct Module {
  const char* sha256;  // of lm-eval 0.4.13's file
  const char* name;
};
constexpr Module kModules[] = {
    {"07d23b60b28f2a4f658dcf8440623a63fe6644854ce9b846a114dde980dc1214", "hellaswag/utils"},
    {"e55327629264a98f1d383fda24645b6779afb53fa0bce2150042b9416b1ae006", "winogrande/preprocess_winogrande"},
    {"d3c827d1e2cd442a1e4738b527a18effd48cbb2aed478c12a652311b5ea4dbc8", "truthfulqa/utils"},
    {"5f77adbf75b4342a6113fea30168ea57b4e5c3877ffd3b4942cb338b3edb2c95", "humaneval/utils"},
    {"eecfcc264a63801d4ac478fac80b0f18c3faf16a107baf641a4fd498e81de7df", "mbpp/utils"},
    {"1ab8f14808c826f93f2364883487ed63cf4267980bf4761fda8053899c013632", "ifeval/utils"},
};

constexpr const char* kScoring[] = {
    "truthfulqa/utils.process_results_mc2", "humaneval/utils.pass_at_k",   "humaneval/utils.build_predictions",
    "humaneval/utils.build_predictions_instruct", "mbpp/utils.pass_at_1", "mbpp/utils.build_predictions",
    "mbpp/utils.extract_code_blocks", "ifeval/utils.process_results", "ifeval/utils.agg_inst_level_acc",
};

Error missing(size_t index, const std::string& hook, const std::string& field) {
  return {ErrorKind::bad_input, fmt::format("doc {}: {} needs the field '{}'", index, hook, field)};
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t hit; (hit = text.find(from, at)) != std::string::npos; at = hit + from.size())
    out.append(text, at, hit - at).append(to);
  return out.append(text, at);
}

// Deletes every shortest "[…]" that lies within one line.
std::string without_brackets(std::string_view text) {
  std::string out;
  size_t close = 0;  // next ']' or line end at or after the place that was asked last
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '[') {
      out += text[i];
      continue;
    }
    if (close <= i) close = std::min(text.find_first_of("]\n", i + 1), text.size());
    if (close < text.size() && text[close] == ']') i = close;
    else out += '[';
  }
  return out;
}

std::string hellaswag_text(std::string_view text) {
  std::string out = replace_all(py_strip(text), " [title]", ". ");
  return replace_all(without_brackets(out), "  ", " ");
}

Result<Json> hellaswag_doc(size_t index, Json doc) {
  for (const char* field : {"ctx_a", "ctx_b", "activity_label"})
    if (!doc.contains(field) || !doc[field].is_string())
      return fail(missing(index, "process_docs", field));
  if (!doc.contains("endings") || !doc["endings"].is_array()) return fail(missing(index, "process_docs", "endings"));
  if (!doc.contains("label")) return fail(missing(index, "process_docs", "label"));
  std::string context = json_string(doc, "ctx_a") + " " + py_capitalize(json_string(doc, "ctx_b"));
  Json choices = Json::array();
  for (const Json& ending : doc["endings"]) {
    if (!ending.is_string()) return fail(missing(index, "process_docs", "endings"));
    choices.push_back(hellaswag_text(ending.get<std::string>()));
  }
  const Json label = doc["label"];
  int64_t gold = -1;
  if (label.is_number_integer()) gold = label.get<int64_t>();
  else if (label.is_string() && label.get<std::string>().size() == 1) gold = label.get<std::string>()[0] - '0';
  if (gold < 0 || gold >= static_cast<int64_t>(choices.size()))
    return bad_input(fmt::format("doc {}: the label {} is no index of its {} endings", index, dump_json(label), choices.size()));
  doc["query"] = hellaswag_text(json_string(doc, "activity_label") + ": " + context);
  doc["choices"] = std::move(choices);
  doc["gold"] = gold;
  return doc;
}

Result<std::vector<Json>> hellaswag_docs(std::vector<Json> docs, std::string& note) {
  size_t n_processed = 0;
  for (size_t i = 0; i < docs.size(); ++i) {
    Json& doc = docs[i];
    if (doc.contains("query") && doc.contains("choices") && doc.contains("gold") && !doc.contains("ctx_a")) {
      if (!doc.contains("label")) doc["label"] = doc["gold"];  // what doc_to_target reads
      ++n_processed;
      continue;
    }
    QEVAL_TRY(doc, hellaswag_doc(i, std::move(doc)));
  }
  if (n_processed > 0)
    note = fmt::format("{} of {} docs were already preprocessed (query, choices, gold): process_docs not applied to them",
                       n_processed, docs.size());
  return docs;
}

// The sentence before and after its blank.
Result<std::pair<std::string, std::string>> winogrande_parts(const Json& doc) {
  std::string sentence = json_string(doc, "sentence");
  size_t blank = sentence.find('_');
  if (blank == std::string::npos) return bad_input("the field 'sentence' is missing or has no '_'");
  return std::pair(sentence.substr(0, blank), sentence.substr(blank + 1));
}

Result<Json> winogrande_text(const Json& doc) {
  std::string answer = doc.contains("answer") && doc["answer"].is_number_integer() ? doc["answer"].dump() : json_string(doc, "answer");
  if (answer == "1") return Json(0);
  if (answer == "2") return Json(1);
  return bad_input(fmt::format("the field 'answer' is \"{}\", 1 or 2 was expected", answer));
}
Result<Json> winogrande_target(const Json& doc) {
  QEVAL_TRY(auto parts, winogrande_parts(doc));
  return Json(py_strip(parts.second));
}
Result<Json> winogrande_choice(const Json& doc) {
  QEVAL_TRY(auto parts, winogrande_parts(doc));
  Json out = Json::array();
  for (const char* option : {"option1", "option2"}) {
    if (!doc.contains(option) || !doc[option].is_string()) return bad_input(fmt::format("the field '{}' is missing", option));
    out.push_back(parts.first + doc[option].get<std::string>());
  }
  return out;
}

using ValueHook = Result<Json> (*)(const Json&);
const std::map<std::string, ValueHook>& value_hooks() {
  static const std::map<std::string, ValueHook> hooks = {
      {"winogrande/preprocess_winogrande.doc_to_text", winogrande_text},
      {"winogrande/preprocess_winogrande.doc_to_target", winogrande_target},
      {"winogrande/preprocess_winogrande.doc_to_choice", winogrande_choice},
  };
  return hooks;
}

}  // namespace

bool is_docs_hook(const std::string& name) { return name == "hellaswag/utils.process_docs" || name == "bfcl/utils.process_docs" || name == "bfcl/utils.process_multi_turn_docs"; }
bool is_value_hook(const std::string& name) { return value_hooks().contains(name); }
bool is_samples_hook(const std::string& name) { return name == "mbpp/utils.list_fewshot_samples"; }

std::string scoring_hook(const std::string& name) {
  for (const char* known : kScoring)
    if (name == known) return name.substr(name.rfind('.') + 1);
  return "";
}

bool is_known_hook(const std::string& name) {
  return is_docs_hook(name) || is_value_hook(name) || is_samples_hook(name) || !scoring_hook(name).empty();
}

std::string known_python_module(const std::string& sha256) {
  for (const Module& module : kModules)
    if (sha256 == module.sha256) return module.name;
  return "";
}

Result<std::vector<Json>> run_docs_hook(const std::string& name, std::vector<Json> docs, std::string& note) {
  if (!is_docs_hook(name)) return bad_input(fmt::format("{} is no process_docs hook of qeval", name));
  if (name == "bfcl/utils.process_docs") return bfcl_docs(std::move(docs));
  if (name == "bfcl/utils.process_multi_turn_docs") return bfcl_multi_turn_docs(std::move(docs));
  return hellaswag_docs(std::move(docs), note);
}

Result<Json> run_value_hook(const std::string& name, const Json& doc) {
  auto it = value_hooks().find(name);
  if (it == value_hooks().end()) return bad_input(fmt::format("{} is no hook of qeval for this key", name));
  return it->second(doc);
}

Result<Json> run_samples_hook(const std::string& name) {
  if (!is_samples_hook(name)) return bad_input(fmt::format("{} is no hook of qeval that lists few-shot samples", name));
  auto text = find_asset("tasks/mbpp/fewshot.json");
  if (!text) return fail(ErrorKind::internal, "tasks/mbpp/fewshot.json is not in the binary");
  return parse_json(*text);
}

}  // namespace qeval
