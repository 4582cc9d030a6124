#include "qeval/judge/verdicts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/stats/moments.h"
#include "qeval/util/ascii.h"

namespace qeval {
namespace {

std::optional<double> given(const std::vector<Score>& scores) {
  for (const Score& score : scores)
    for (const auto& [name, value] : score.metrics)
      if (name == "given") return value;
  return std::nullopt;
}

void add_rating(const Json& about, std::optional<double> rating, bool failed, int64_t judge_doc, Ratings& out) {
  RatedQuestion& question = out.questions[json_int(about, "doc_id")];
  question.doc_id = json_int(about, "doc_id");
  question.judge_docs.push_back(judge_doc);
  ++out.n_asked;
  if (failed) ++question.n_failed, ++out.n_failed;
  else if (!rating) ++question.n_unreadable, ++out.n_unreadable;
  if (!rating) return;
  question.ratings[{static_cast<int>(json_int(about, "repeat")), static_cast<int>(json_int(about, "turn"))}] = *rating;
  out.by_category[json_string(about, "category")].push_back(*rating);
}

// Every sample of the judge's task: what it was asked about, and how its text was read.
using Visit = std::function<void(const Json& about, const std::vector<Score>& scores, int64_t judge_doc)>;
Status each_judgement(const Store& store, RunId run, const char* task, const Visit& visit) {
  return store.for_each_sample(run, task, [&](SampleRecord&& record) {
    if (record.sample.is_object() && record.sample.contains("doc")) visit(record.sample["doc"], record.scores, record.doc_id);
    return true;
  });
}

bool failed(const std::vector<Score>& scores) { return scores.empty() || is_infrastructure(scores[0].failure_class); }

}  // namespace

std::string model_family(const std::string& hf_id, const std::string& name, const std::string& architecture) {
  for (const std::string& text : {lower_ascii(hf_id), lower_ascii(name), lower_ascii(architecture)})
    for (const char* family : {"qwen", "qwq", "smollm", "llama", "mistral", "mixtral", "gemma", "phi", "gpt", "claude", "deepseek", "glm", "granite", "olmo", "falcon", "yi-"})
      if (text.find(family) != std::string::npos) return std::string(family) == "qwq" ? "qwen" : family;
  return "";
}

Result<Ratings> collect_ratings(const Store& store, RunId judge_run) {
  Ratings out;
  struct Again {
    Json about;
    double rating;
  };
  std::vector<Again> again;
  QEVAL_CHECK(each_judgement(store, judge_run, kRatingTask, [&](const Json& about, const std::vector<Score>& scores, int64_t doc) {
    std::optional<double> rating = given(scores);
    if (!json_bool(about, "again")) add_rating(about, rating, failed(scores), doc, out);
    else if (rating) again.push_back({about, *rating});
  }));
  for (const Again& second : again) {
    auto question = out.questions.find(json_int(second.about, "doc_id"));
    if (question == out.questions.end()) continue;
    auto first = question->second.ratings.find({static_cast<int>(json_int(second.about, "repeat")), static_cast<int>(json_int(second.about, "turn"))});
    if (first == question->second.ratings.end()) continue;
    ++out.n_again;
    out.n_again_equal += first->second == second.rating;
    out.again_difference += std::abs(first->second - second.rating);
  }
  if (out.n_again > 0) out.again_difference /= static_cast<double>(out.n_again);
  return out;
}

Score rated_score(const RatedQuestion& rated, const Score& form, const JudgeIdentity& judge) {
  Score out = form;
  out.metrics.clear();
  out.details = {{"judge", {{"model", judge.model}, {"run", judge.run}, {"docs", rated.judge_docs}}}};
  if (rated.ratings.empty()) {
    out.failure_class = rated.n_failed > 0 ? FailureClass::not_judged : FailureClass::no_rating;
    out.explanation = rated.n_failed > 0 ? "the judge's engine failed" : "the judge's text holds no rating";
    return out;
  }
  std::map<std::string, std::pair<double, double>> sums;
  Json listed = Json::array();
  for (const auto& [where, rating] : rated.ratings) {
    for (const std::string& name : {std::string("rating"), fmt::format("rating_turn_{}", where.second)}) {
      sums[name].first += rating;
      sums[name].second += 1;
    }
    listed.push_back({{"repeat", where.first}, {"turn", where.second}, {"rating", rating}});
  }
  for (const auto& [name, sum] : sums) {
    out.metrics.emplace_back(name, sum.first / sum.second);
    out.details["weighted"][name] = Json::array({sum.first, sum.second});
  }
  out.details["ratings"] = std::move(listed);
  if (form.failure_class == FailureClass::not_judged || form.failure_class == FailureClass::no_rating) {
    out.failure_class = FailureClass::correct;
    out.explanation.clear();
  }
  return out;
}

Json judge_json(const Ratings& ratings, const JudgeIdentity& judge) {
  Json categories = Json::object();
  for (const auto& [category, values] : ratings.by_category)
    categories[category] = {{"rating", mean(values)}, {"n", values.size()}};
  Json out = {{"model", judge.model}, {"weights_key", judge.weights_key}, {"engine", judge.engine},
              {"prompts", "MT-Bench, FastChat"}, {"prompts_sha256", judge.prompts_sha256}, {"run", judge.run},
              {"same_family", judge.same_family}, {"n_asked", ratings.n_asked}, {"n_unreadable", ratings.n_unreadable},
              {"n_failed", ratings.n_failed}, {"n_again", ratings.n_again}, {"n_again_equal", ratings.n_again_equal},
              {"again_difference", ratings.again_difference}, {"check", judge.check}};
  out["categories"] = std::move(categories);
  return out;
}

std::string judge_text(const Json& j) {
  double asked = static_cast<double>(std::max<int64_t>(1, json_int(j, "n_asked")));
  std::string out = fmt::format("judge {} ({}), MT-Bench prompts {}, judge run {}: {} of {} without a readable rating ({:.1f} %)",
                                json_string(j, "model"), json_string(j, "engine"), json_string(j, "prompts_sha256").substr(0, 8),
                                json_int(j, "run"), json_int(j, "n_unreadable"), json_int(j, "n_asked"),
                                100 * static_cast<double>(json_int(j, "n_unreadable")) / asked);
  if (int64_t n = json_int(j, "n_again"); n > 0)
    out += fmt::format("; asked twice, {} of {} the same (mean difference {:.2f})", json_int(j, "n_again_equal"), n, json_number(j, "again_difference"));
  if (json_bool(j, "same_family")) out += "; JUDGE AND JUDGED ARE OF THE SAME FAMILY";
  std::string check = json_string(j, "check");
  return out + (check.empty() ? "; judge not checked (qeval judge --check)" : "; judge checked: " + check);
}

namespace {

struct Comparison {
  std::string ab, ba;  // verdicts in each order
  int64_t doc_id = 0;
};

std::map<std::pair<int64_t, int64_t>, Comparison> comparisons(const Store& store, RunId run, PairResult& out, Status& status) {
  std::map<std::pair<int64_t, int64_t>, Comparison> found;
  status = each_judgement(store, run, kPairTask, [&](const Json& about, const std::vector<Score>& scores, int64_t) {
    Comparison& c = found[{json_int(about, "doc_id"), json_int(about, "turn")}];
    c.doc_id = json_int(about, "doc_id");
    std::string verdict = scores.empty() ? "" : scores[0].extracted;
    (json_string(about, "order") == "ba" ? c.ba : c.ab) = verdict;
    out.n_unreadable += verdict.empty();
  });
  return found;
}

}  // namespace

Result<PairResult> collect_pairs(const Store& store, RunId judge_run) {
  PairResult out;
  Status status;
  auto found = comparisons(store, judge_run, out, status);
  QEVAL_CHECK(status);
  std::vector<double> points;
  std::vector<int64_t> clusters;
  for (const auto& [where, c] : found) {
    if (c.ab.empty() || c.ba.empty()) continue;
    ++out.n;
    // In the order "ba" the first run's answer stands second.
    bool first = c.ab == "A" && c.ba == "B", second = c.ab == "B" && c.ba == "A";
    bool both_tie = c.ab == "C" && c.ba == "C";
    if (first) ++out.n_first;
    else if (second) ++out.n_second;
    else ++out.n_tie;
    if (!first && !second && !both_tie) ++out.n_disagree;
    out.n_first_position += c.ab == "A" && c.ba == "A";
    points.push_back(first ? 1 : second ? 0 : 0.5);
    clusters.push_back(c.doc_id);
  }
  if (out.n == 0) return out;
  out.win_rate = mean(points);
  Interval wide = normal_interval(out.win_rate, clustered_standard_error(points, clusters));
  out.interval = {std::max(0.0, wide.low), std::min(1.0, wide.high)};
  return out;
}

Json to_json(const PairResult& r) {
  return {{"n", r.n}, {"n_first", r.n_first}, {"n_second", r.n_second}, {"n_tie", r.n_tie}, {"n_disagree", r.n_disagree},
          {"n_first_position", r.n_first_position}, {"n_unreadable", r.n_unreadable}, {"win_rate", r.win_rate},
          {"low", r.interval.low}, {"high", r.interval.high}};
}

}  // namespace qeval
