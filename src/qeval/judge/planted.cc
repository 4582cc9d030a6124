#include "qeval/judge/planted.h"

#include <fmt/format.h>

#include <map>

#include "qeval/text/yaml.h"
#include "qeval/util/assets.h"

namespace qeval {
namespace {

constexpr const char* kPairsFile = "reference/judge/planted_pairs.yaml";

Result<JudgeQuestion> compared(const PlantedPair& pair, const std::string& a, const std::string& b, bool swapped,
                               const JudgePrompts& prompts) {
  AnsweredQuestion question;
  question.turns = {pair.question};
  question.answers = {a};
  QEVAL_TRY(JudgeQuestion out, pair_question(question, {b}, 0, swapped, prompts));
  out.about = {{"pair", pair.id}, {"order", swapped ? "ba" : "ab"}};
  return out;
}

Json share_json(const Share& s) {
  Interval i = s.interval();
  return {{"value", s.value()}, {"n", s.n}, {"hits", s.hits}, {"low", i.low}, {"high", i.high}};
}

void count(Share& share, bool hit) {
  ++share.n;
  share.hits += hit;
}

std::string percent(const Share& s) { return s.n > 0 ? fmt::format("{:.0f} % (n = {})", 100 * s.value(), s.n) : "unmeasured"; }

// A verdict on right against wrong: in the order "ba" the right one stands second.
void add_right_wrong(const Json& about, const std::string& verdict, JudgeCheck& out) {
  bool won = verdict == (json_string(about, "order") == "ba" ? "B" : "A");
  count(out.right, won);
  bool right_long = json_bool(about, "right_long"), wrong_long = json_bool(about, "wrong_long");
  if (right_long && !wrong_long) count(out.right_when_longer, won);
  if (!right_long && wrong_long) count(out.right_when_shorter, won);
}

void add_same(const std::string& verdict, JudgeCheck& out) {
  count(out.tie_when_same, verdict == "C");
  if (verdict != "C") count(out.first_when_same, verdict == "A");
}

}  // namespace

Result<std::vector<PlantedPair>> shipped_planted_pairs() {
  auto text = find_asset(kPairsFile);
  if (!text) return fail(ErrorKind::internal, fmt::format("{} is not in this binary", kPairsFile));
  QEVAL_TRY(Json yaml, parse_yaml(*text, kPairsFile));
  std::vector<PlantedPair> out;
  for (const Json& item : yaml["pairs"]) {
    PlantedPair pair{json_string(item, "id"), json_string(item, "question"), json_string(item, "right"),
                     json_string(item, "wrong"), json_string(item, "right_long"), json_string(item, "wrong_long")};
    for (const std::string* part : {&pair.id, &pair.question, &pair.right, &pair.wrong, &pair.right_long, &pair.wrong_long})
      if (part->empty()) return bad_input(fmt::format("{}: pair {}: id, question, right, wrong, right_long and wrong_long were expected", kPairsFile, pair.id));
    out.push_back(std::move(pair));
  }
  return out;
}

Result<std::vector<JudgeQuestion>> planted_questions(const std::vector<PlantedPair>& pairs, const JudgePrompts& prompts) {
  std::vector<JudgeQuestion> out;
  for (const PlantedPair& pair : pairs) {
    for (bool right_long : {false, true})
      for (bool wrong_long : {false, true})
        for (bool swapped : {false, true}) {
          QEVAL_TRY(JudgeQuestion q, compared(pair, right_long ? pair.right_long : pair.right, wrong_long ? pair.wrong_long : pair.wrong, swapped, prompts));
          q.about.update(Json{{"kind", "right_wrong"}, {"right_long", right_long}, {"wrong_long", wrong_long}});
          out.push_back(std::move(q));
        }
    for (const std::string* answer : {&pair.right, &pair.wrong, &pair.right_long, &pair.wrong_long}) {
      QEVAL_TRY(JudgeQuestion q, compared(pair, *answer, *answer, false, prompts));
      q.about["kind"] = "same";
      out.push_back(std::move(q));
    }
  }
  return out;
}

Result<JudgeCheck> collect_check(const Store& store, RunId judge_run) {
  JudgeCheck out;
  std::map<std::string, std::pair<std::string, std::string>> orders;
  QEVAL_CHECK(store.for_each_sample(judge_run, kCheckTask, [&](SampleRecord&& record) {
    if (!record.sample.is_object() || !record.sample.contains("doc")) return true;
    const Json& about = record.sample["doc"];
    std::string verdict = record.scores.empty() ? "" : record.scores[0].extracted;
    ++out.n_asked;
    if (verdict.empty()) {
      ++out.n_unreadable;
      return true;
    }
    if (json_string(about, "kind") == "same") {
      add_same(verdict, out);
      return true;
    }
    add_right_wrong(about, verdict, out);
    auto& pair = orders[fmt::format("{}:{}:{}", json_string(about, "pair"), json_bool(about, "right_long"), json_bool(about, "wrong_long"))];
    (json_string(about, "order") == "ba" ? pair.second : pair.first) = verdict;
    return true;
  }));
  for (const auto& [id, pair] : orders) {
    if (pair.first.empty() || pair.second.empty()) continue;
    bool same = (pair.first == "A" && pair.second == "B") || (pair.first == "B" && pair.second == "A") || (pair.first == "C" && pair.second == "C");
    count(out.consistent, same);
  }
  return out;
}

std::string JudgeCheck::text() const {
  return fmt::format("right in {}, when shorter {}, when longer {}; of equal answers {} ties, else the first wins {}; both orders agree {}; {} of {} unreadable",
                     percent(right), percent(right_when_shorter), percent(right_when_longer), percent(tie_when_same),
                     percent(first_when_same), percent(consistent), n_unreadable, n_asked);
}

Json to_json(const JudgeCheck& c) {
  return {{"n_asked", c.n_asked}, {"n_unreadable", c.n_unreadable}, {"right", share_json(c.right)},
          {"right_when_shorter", share_json(c.right_when_shorter)}, {"right_when_longer", share_json(c.right_when_longer)},
          {"first_when_same", share_json(c.first_when_same)}, {"tie_when_same", share_json(c.tie_when_same)},
          {"consistent", share_json(c.consistent)}};
}

}  // namespace qeval
