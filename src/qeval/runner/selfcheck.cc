#include "qeval/runner/selfcheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "qeval/engine/stop_strings.h"
#include "qeval/os/temp_dir.h"
#include "qeval/runner/agent_check.h"
#include "qeval/runner/selfcheck_judged.h"
#include "qeval/runner/selfcheck_plan.h"
#include "qeval/runner/summary.h"
#include "qeval/runner/user_turns_check.h"
#include "qeval/scorer/scorer.h"
#include "qeval/text/template.h"
#include "qeval/util/hash.h"
#include "qeval/util/random.h"

namespace qeval {
namespace {

constexpr int64_t kFingerprintDocs = 4;

// What an engine would hand back for this text: cut at the stop strings of the request.
Response generated(const Request& request, std::string text, bool length_cut) {
  Response r;
  r.finish = length_cut ? FinishReason::length : FinishReason::end_of_turn;
  StopScanner scanner(request.until);
  if (auto hit = scanner.scan(text)) {
    text.resize(hit->position);
    r.finish = FinishReason::stop_string;
    r.stop_string = hit->stop;
  }
  r.n_new_tokens = static_cast<int>(text.size() / 4);
  r.text = std::move(text);
  return r;
}

// Log-likelihoods in which choice i stands at `rank[i]`: 1 high, 0 low, by any length normalisation.
std::vector<Response> ranked(const Sample& sample, const std::vector<bool>& high) {
  std::vector<Response> out;
  for (size_t i = 0; i < sample.requests.size(); ++i) {
    Response r;
    r.finish = FinishReason::scored;
    double length = static_cast<double>(sample.requests[i].continuation.size()) + 1;
    // Per byte −0.001 beats −1000 whatever a choice is divided by; unconditional requests (mutual information) get 0.
    if (i < high.size()) r.logprob_nats = high[i] ? -0.001 * length : -1000 * length;
    r.is_greedy = i < high.size() && high[i];
    out.push_back(r);
  }
  return out;
}

std::vector<bool> gold_mask(const Sample& sample, bool inverted) {
  size_t n = sample.multiple_inputs || sample.choices.empty() ? sample.requests.size() : sample.choices.size();
  std::vector<bool> mask(n, inverted);
  for (int g : sample.gold)
    if (g >= 0 && static_cast<size_t>(g) < n) mask[static_cast<size_t>(g)] = !inverted;
  return mask;
}

bool is_choice(const TaskSpec& spec) { return spec.scoring.output_type == OutputType::multiple_choice; }

class Check {
 public:
  // `scorer`: null where the tools that the task needs are missing.
  Check(const SelfcheckPlan& plan, const SelfcheckOptions& options, const Task& task, const Scorer* scorer, std::string data)
      : plan_(plan), options_(options), task_(task), scorer_(scorer), data_(std::move(data)) {}

  Status build() {
    size_t n = task_.doc_ids().size();
    if (options_.limit > 0 && data_ != "fixture") n = std::min(n, static_cast<size_t>(options_.limit));
    for (size_t i = 0; i < n; ++i) {
      QEVAL_TRY(Sample sample, task_.build(i, {}));
      samples_.push_back(std::move(sample));
    }
    return {};
  }

  Status run(bool with_fingerprint) {
    if (with_fingerprint) {
      QEVAL_CHECK(fingerprint());
    }
    if (!scorer_) {
      not_checked(options_.outside_tools ? options_.outside_tools->missing() : "there are no tools to carry out its calls");
      return {};
    }
    if (task_.spec().scoring.scorer == "user_turns")
      return check_user_turns_task(task_, samples_, *scorer_, *options_.outside_tools, with_fingerprint, [this](SelfcheckItem item) { add(std::move(item)); });
    if (task_.spec().scoring.scorer == "agent")
      return check_agent_task(task_, samples_, *scorer_, [this](SelfcheckItem item) { add(std::move(item)); });
    if (is_choice(task_.spec())) {
      choice_checks();
      return {};
    }
    if (task_.spec().scoring.output_type != OutputType::generate_until) return {};
    if (task_.spec().scoring.scorer == "judge") {
      QEVAL_TRY(auto found, check_judged_task(task_, *scorer_, samples_));
      for (SelfcheckItem& item : found) add(std::move(item));
      return {};
    }
    if (with_fingerprint || !plan_.gold_in_fixtures_only) QEVAL_CHECK(gold());
    empty();
    if (with_fingerprint) {
      QEVAL_CHECK(variants());
    }
    return {};
  }

  std::vector<SelfcheckItem> items;

 private:
  using Responder = std::function<std::vector<Response>(const Sample&)>;

  void add(SelfcheckItem item) {
    item.task = task_.spec().name;
    item.data = data_;
    if (options_.progress) options_.progress(item);
    items.push_back(std::move(item));
  }

  void not_checked(const std::string& reason) {
    SelfcheckItem item;
    item.check = "calls";
    item.not_checked = reason;
    add(std::move(item));
  }

  Status fingerprint() {
    QEVAL_TRY(std::string found, prompt_fingerprint(task_, kFingerprintDocs));
    SelfcheckItem item;
    item.check = "prompts";
    item.expected = plan_.prompts;
    item.found = found;
    item.n = std::min<int64_t>(kFingerprintDocs, static_cast<int64_t>(samples_.size()));
    item.passed = found == plan_.prompts;
    add(std::move(item));
    return {};
  }

  std::vector<std::vector<Score>> score_all(const Responder& respond) {
    std::vector<std::vector<Score>> scores;
    for (const Sample& sample : samples_) scores.push_back(scorer_->score(sample, respond(sample)));
    return scores;
  }

  TaskSummary summary(const std::vector<std::vector<Score>>& scores) const {
    std::vector<int64_t> ids;
    for (const Sample& s : samples_) ids.push_back(s.doc_id);
    return summarise_task(task_.spec(), {}, ids, scores, {});
  }

  // Every metric of the wanted filters must equal `value`.
  void expect_value(const std::string& check, const std::vector<std::vector<Score>>& scores, double value,
                    const std::vector<std::string>& filters) {
    SelfcheckItem item;
    item.check = check;
    item.n = static_cast<int64_t>(samples_.size());
    item.expected = fmt::format("{:.1f} %", 100 * value);
    item.passed = item.n > 0;
    double worst = value;
    for (const MetricSummary& m : summary(scores).metrics) {
      bool wanted = filters.empty() || std::find(filters.begin(), filters.end(), m.filter) != filters.end();
      if (!wanted || m.metric == "acc_mutual_info") continue;
      if (m.n_infrastructure > 0 || !(std::abs(m.value - value) < 1e-6)) {
        item.passed = false;
        if (!(std::abs(m.value - value) <= std::abs(worst - value))) worst = m.value;
      }
    }
    item.found = fmt::format("{:.1f} %", 100 * worst);
    if (!item.passed) name_docs(scores, value > 0.5, filters, item);
    add(std::move(item));
  }

  void name_docs(const std::vector<std::vector<Score>>& scores, bool want_correct, const std::vector<std::string>& filters,
                 SelfcheckItem& item) const {
    for (size_t i = 0; i < scores.size() && item.doc_ids.size() < SelfcheckItem::kMaxDocs; ++i) {
      for (const Score& s : scores[i]) {
        if (!filters.empty() && std::find(filters.begin(), filters.end(), s.filter) == filters.end()) continue;
        if ((s.failure_class == FailureClass::correct) == want_correct) continue;
        if (item.doc_ids.empty()) item.found += fmt::format(" (doc {}: {} {})", samples_[i].doc_id, to_string(s.failure_class), s.explanation);
        item.doc_ids.push_back(samples_[i].doc_id);
        break;
      }
    }
  }

  Result<std::string> render(const Template& text, const Sample& sample) const {
    std::string letter = sample.gold.empty() ? "" : std::string(1, static_cast<char>('A' + sample.gold[0]));
    return text.render({{"doc", sample.doc}, {"target", sample.target}, {"references", sample.references},
                        {"choices", sample.choices}, {"gold_letter", letter}});
  }

  Result<std::vector<std::vector<Score>>> score_text(const std::string& source, bool length_cut) {
    QEVAL_TRY(Template text, Template::compile(source));
    std::vector<std::vector<Score>> scores;
    for (const Sample& sample : samples_) {
      QEVAL_TRY(std::string answer, render(text, sample));
      std::vector<Response> responses;
      for (const Request& request : sample.requests) responses.push_back(generated(request, answer, length_cut));
      scores.push_back(scorer_->score(sample, responses));
    }
    return scores;
  }

  Status gold() {
    std::vector<Sample> all = samples_;
    std::erase_if(samples_, [this](const Sample& s) {
      return std::find(plan_.unanswerable.begin(), plan_.unanswerable.end(), json_string(s.doc, "id")) != plan_.unanswerable.end();
    });
    auto scores = score_text(plan_.gold, false);
    if (scores) expect_value("gold", *scores, 1, plan_.gold_filters);
    samples_ = std::move(all);
    return scores ? Status() : fail(scores.error());
  }

  void empty() {
    expect_value("empty", score_all([](const Sample& sample) {
                   std::vector<Response> out;
                   for (const Request& r : sample.requests) out.push_back(generated(r, "", false));
                   return out;
                 }), plan_.empty_is_right ? 1 : 0, {});
  }

  Status variants() {
    for (const SelfcheckVariant& variant : plan_.variants) {
      QEVAL_TRY(auto scores, score_text(variant.text, variant.length_cut));
      SelfcheckItem item;
      item.check = "variant:" + variant.name;
      item.n = static_cast<int64_t>(samples_.size());
      item.expected = to_string(variant.expected);
      item.passed = item.n > 0;
      for (size_t i = 0; i < scores.size(); ++i) {
        for (const Score& s : scores[i]) {
          if (!variant.filter.empty() && s.filter != variant.filter) continue;
          if (s.failure_class == variant.expected) continue;
          item.passed = false;
          item.found = to_string(s.failure_class);
          item.name_doc(samples_[i].doc_id);
        }
      }
      if (item.passed) item.found = item.expected;
      add(std::move(item));
    }
    return {};
  }

  void choice_checks() {
    expect_value("gold-highest", score_all([](const Sample& s) { return ranked(s, gold_mask(s, false)); }), 1, {});
    expect_value("gold-lowest", score_all([](const Sample& s) { return ranked(s, gold_mask(s, true)); }), 0, {});
    constant();
    shuffled();
  }

  void constant() {
    TaskSummary s = summary(score_all([](const Sample& sample) {
      std::vector<Response> out(sample.requests.size());
      for (Response& r : out) {
        r.finish = FinishReason::scored;
        r.logprob_nats = -7;
      }
      return out;
    }));
    SelfcheckItem item;
    item.check = "constant";
    item.n = s.n_docs;
    item.expected = "flagged degenerate";
    item.passed = std::any_of(s.flags.begin(), s.flags.end(), [](const Flag& f) { return f.kind == "degenerate"; });
    item.found = item.passed ? item.expected : "a score";
    add(std::move(item));
  }

  void shuffled() {
    if (samples_.size() < 30) return;  // too few docs to tell chance from anything
    PyRandom random(20240917);
    double chance = 0;
    auto scores = score_all([&](const Sample& sample) {
      std::vector<bool> mask = gold_mask(sample, false);
      chance += static_cast<double>(std::count(mask.begin(), mask.end(), true)) / static_cast<double>(mask.size());
      std::vector<bool> drawn(mask.size(), false);
      drawn[random.randbelow(mask.size())] = true;
      return ranked(sample, drawn);
    });
    double n = static_cast<double>(samples_.size());
    chance /= n;
    double slack = 3.3 * std::sqrt(chance * (1 - chance) / n);
    SelfcheckItem item;
    item.check = "shuffled";
    item.n = static_cast<int64_t>(samples_.size());
    item.expected = fmt::format("{:.1f} ± {:.1f} %", 100 * chance, 100 * slack);
    item.passed = true;
    for (const MetricSummary& m : summary(scores).metrics) {
      if (!m.is_proportion || m.metric == "acc_mutual_info") continue;
      item.found = fmt::format("{:.1f} %", 100 * m.value);
      if (std::abs(m.value - chance) > slack) item.passed = false;
    }
    add(std::move(item));
  }

  const SelfcheckPlan& plan_;
  const SelfcheckOptions& options_;
  const Task& task_;
  const Scorer* scorer_;
  std::string data_;
  std::vector<Sample> samples_;
};

Result<std::unique_ptr<TaskRegistry>> registry_over(const SelfcheckOptions& options, const std::string& data_dir,
                                                    const std::string& cache_dir) {
  TaskSources sources;
  sources.include_paths = options.include_paths;
  sources.data_dir = data_dir;
  sources.cache_dir = cache_dir;
  sources.outside_tools = options.outside_tools;
  sources.offline = true;
  return open_task_registry(sources);
}

class PlannedSelfcheck final : public Selfcheck {
 public:
  PlannedSelfcheck(SelfcheckOptions options, TempDir fixtures) : options_(std::move(options)), fixtures_(std::move(fixtures)) {}

  Status open() {
    QEVAL_TRY(plans_, load_selfcheck_plans());
    QEVAL_CHECK(write_fixtures(plans_, fixtures_.path()));
    QEVAL_TRY(on_fixtures_, registry_over(options_, fixtures_.path(), fixtures_.path()));
    QEVAL_TRY(on_real_data_, registry_over(options_, options_.data_dir, options_.cache_dir));
    return {};
  }

  Result<std::vector<std::string>> expand(const std::string& name) const override {
    if (!name.empty()) return on_fixtures_->expand(name);
    std::vector<std::string> out;
    for (const TaskListing& listed : on_fixtures_->list())
      if (listed.kind == "task" && (plan_of(listed.name) || listed.file.starts_with("tasks/"))) out.push_back(listed.name);
    return out;
  }

  Result<std::vector<SelfcheckItem>> check(const std::string& task) const override {
    const SelfcheckPlan* plan = plan_of(task);
    if (!plan) return not_planned(task);
    QEVAL_TRY(auto items, check_data(*plan, *on_fixtures_, true));
    if (options_.fixtures_only) return items;
    auto real = check_data(*plan, *on_real_data_, false);
    if (real) {
      items.insert(items.end(), real->begin(), real->end());
    } else if (real.error().kind == ErrorKind::internal) {
      return fail(real.error());
    }
    return items;
  }

 private:
  const SelfcheckPlan* plan_of(const std::string& task) const {
    auto plan = std::find_if(plans_.tasks.begin(), plans_.tasks.end(), [&](const SelfcheckPlan& p) { return p.task == task; });
    return plan == plans_.tasks.end() ? nullptr : &*plan;
  }

  std::vector<SelfcheckItem> not_planned(const std::string& task) const {
    SelfcheckItem item;
    item.task = task;
    item.data = "fixture";
    item.check = "plan";
    item.expected = "planted answers";
    item.found = "none in reference/selfcheck.yaml: nothing proves this task";
    if (options_.progress) options_.progress(item);
    return {item};
  }

  Result<std::vector<SelfcheckItem>> check_data(const SelfcheckPlan& plan, const TaskRegistry& registry, bool fixture) const {
    QEVAL_TRY(auto task, registry.load(plan.task, {}));
    Sandbox* sandbox = nullptr;
    if (runs_code(task->spec())) {
      QEVAL_TRY(sandbox, options_.sandbox());
    }
    OutsideTools* tools = options_.outside_tools.get();
    std::unique_ptr<Scorer> scorer;
    if (task->spec().scoring.scorer != "user_turns" || (tools && tools->missing().empty())) {
      QEVAL_TRY(scorer, make_scorer(task->spec(), sandbox, tools));
    }
    Check check(plan, options_, *task, scorer.get(), fixture ? "fixture" : task->data_note());
    QEVAL_CHECK(check.build());
    QEVAL_CHECK(check.run(fixture));
    return std::move(check.items);
  }

  SelfcheckOptions options_;
  TempDir fixtures_;
  SelfcheckPlans plans_;
  std::unique_ptr<TaskRegistry> on_fixtures_, on_real_data_;
};

// A conversation shown plainly, so that the fingerprint covers the chat form too.
Result<std::string> plain_chat(const ChatPrompt& chat) {
  std::string out = prompt_text(Prompt(chat));
  return chat.continue_final_message ? out : out + "<assistant>\n";
}

}  // namespace

Result<std::string> prompt_fingerprint(const Task& task, int64_t n_docs) {
  Json all = Json::array();
  size_t n = std::min(task.doc_ids().size(), static_cast<size_t>(n_docs));
  for (size_t i = 0; i < n; ++i) {
    QEVAL_TRY(Sample sample, task.build(i, plain_chat));
    Json requests = Json::array();
    for (const Request& r : sample.requests) requests.push_back(request_identity(r));
    all.push_back({{"requests", requests}, {"target", sample.target}, {"references", sample.references},
                   {"choices", sample.choices}, {"gold", sample.gold}});
  }
  return sha256_hex(canonical_json(all));
}

Result<std::unique_ptr<Selfcheck>> open_selfcheck(SelfcheckOptions options) {
  QEVAL_TRY(TempDir folder, TempDir::create("qeval-fixtures"));
  auto out = std::make_unique<PlannedSelfcheck>(std::move(options), std::move(folder));
  QEVAL_CHECK(out->open());
  return std::unique_ptr<Selfcheck>(std::move(out));
}

}  // namespace qeval
