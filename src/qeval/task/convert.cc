#include <fmt/format.h>

#include "qeval/task/dataset.h"

namespace qeval {
namespace {

Error bad_row(const std::string& how, size_t index, const std::string& what) {
  return {ErrorKind::bad_input, fmt::format("document {} is no {} document: {}", index, how, what)};
}

// {"question": {"stem", "choices": [{"text", "label"}]}, "answerKey"} → question, choices{text[], label[]}, answerKey.
Result<Json> arc_row(const Json& row, size_t index) {
  if (!row.contains("question") || !row["question"].is_object()) return row;
  const Json& question = row["question"];
  if (!question.contains("choices") || !question["choices"].is_array()) return fail(bad_row("arc", index, "it has no choices"));
  Json texts = Json::array(), labels = Json::array();
  for (const Json& choice : question["choices"]) {
    texts.push_back(json_string(choice, "text"));
    labels.push_back(json_string(choice, "label"));
  }
  Json out = Json::object();
  out["id"] = json_string(row, "id");
  out["question"] = json_string(question, "stem");
  out["choices"] = {{"text", std::move(texts)}, {"label", std::move(labels)}};
  out["answerKey"] = json_string(row, "answerKey");
  return out;
}

// Headerless lines "question,A,B,C,D,letter", read with the columns named so.
Result<Json> mmlu_row(const Json& row, size_t index, const std::string& subject) {
  if (row.contains("choices")) return row;
  std::string letter = json_string(row, "letter");
  if (letter.size() != 1 || letter[0] < 'A' || letter[0] > 'D')
    return fail(bad_row("mmlu", index, fmt::format("its answer is \"{}\", A to D was expected", letter.substr(0, 40))));
  Json out = Json::object();
  out["question"] = json_string(row, "question");
  out["subject"] = subject;
  out["choices"] = Json::array();
  for (const char* option : {"A", "B", "C", "D"}) out["choices"].push_back(json_string(row, option));
  out["answer"] = letter[0] - 'A';
  return out;
}

// {"mc2_targets": {"text": 1, …}} → {"choices": […], "labels": […]}.
Result<Json> truthfulqa_row(Json row, size_t index) {
  for (const char* key : {"mc1_targets", "mc2_targets"}) {
    if (!row.contains(key) || !row[key].is_object()) return fail(bad_row("truthfulqa", index, fmt::format("it has no {}", key)));
    if (row[key].contains("choices")) continue;
    Json choices = Json::array(), labels = Json::array();
    for (const auto& [text, label] : row[key].items()) {
      choices.push_back(text);
      labels.push_back(label);
    }
    row[key] = {{"choices", std::move(choices)}, {"labels", std::move(labels)}};
  }
  return row;
}

// A question with FastChat's answer file joined to it as reference_answers: the texts of its turns, or null.
Result<Json> mt_bench_row(Json row, size_t index) {
  if (!row.contains("turns") || !row["turns"].is_array()) return fail(bad_row("mt_bench", index, "it has no turns"));
  Json& answers = row["reference_answers"];
  if (!answers.is_object()) return row;
  Json texts;
  if (answers.contains("choices") && answers["choices"].is_array() && !answers["choices"].empty())
    texts = answers["choices"][0].value("turns", Json());
  if (!texts.is_array()) return fail(bad_row("mt_bench", index, "its reference answer has no choices with turns"));
  answers = std::move(texts);
  return row;
}

}  // namespace

Result<std::vector<Json>> convert_rows(const std::string& how, std::vector<Json> rows, const std::string& context) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (how == "arc") {
      QEVAL_TRY(rows[i], arc_row(rows[i], i));
    } else if (how == "mmlu") {
      QEVAL_TRY(rows[i], mmlu_row(rows[i], i, context));
    } else if (how == "mt_bench") {
      QEVAL_TRY(rows[i], mt_bench_row(std::move(rows[i]), i));
    } else if (how == "truthfulqa") {
      QEVAL_TRY(rows[i], truthfulqa_row(std::move(rows[i]), i));
    } else if (how == "hellaswag") {
      // The hub has the label as text; what is preprocessed already has none.
      if (rows[i].contains("label") && rows[i]["label"].is_number_integer()) rows[i]["label"] = rows[i]["label"].dump();
    } else {
      return fail(ErrorKind::internal, fmt::format("tasks/_datasets.yaml: no conversion is called '{}'", how));
    }
  }
  return rows;
}

}  // namespace qeval
