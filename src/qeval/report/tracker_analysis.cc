#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "qeval/report/format.h"
#include "qeval/report/tracker_sections.h"
#include "qeval/text/table.h"

namespace qeval {
namespace {

constexpr size_t kMostRows = 40;

std::vector<const SubjectRow*> scored_rows(const Subject& s) {
  std::vector<const SubjectRow*> out;
  for (const SubjectRow& row : s.rows)
    if (row.task && row.task->primary() && row.task->primary()->n > 0) out.push_back(&row);
  return out;
}

bool believed(const SubjectRow& row) { return row.task->flags.empty() && row.task->n_infrastructure == 0; }

std::string row_score(const SubjectRow& row) {
  const MetricSummary& m = *row.task->primary();
  return fmt::format("{} {} {}", md(row.title), score_text(m), md(interval_text(m)));
}

// A doubtful score says so wherever it is shown.
std::string doubts(const Comparison& c) {
  std::string a = doubt_text(*c.row_a->task), b = doubt_text(*c.row_b->task);
  return (a.empty() ? "" : "; A is " + a) + (b.empty() ? "" : "; B is " + b);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "; ") + part;
  return out;
}

// What to do about the most frequent reason that is not a wrong answer.
std::string next_focus(const Subject& s) {
  const SubjectRow* worst = nullptr;
  const ClassCount* most = nullptr;
  for (const SubjectRow* row : scored_rows(s)) {
    auto it = row->task->classes.find(row->task->primary_filter);
    if (it == row->task->classes.end()) continue;
    for (const ClassCount& c : it->second) {
      bool form = is_format(c.failure_class) || is_infrastructure(c.failure_class) ||
                  c.failure_class == FailureClass::degenerate;
      if (!form || c.n == 0 || (most && c.n <= most->n)) continue;
      most = &c;
      worst = row;
    }
  }
  if (!most) return "nothing that form or infrastructure broke";
  return fmt::format("{}: {} of {} answers, {}", md(worst->title), most->n, worst->task->n_docs,
                     class_text(most->failure_class));
}

// The configuration with the most believable scores; of equals the first.
std::string baseline(const std::vector<const Subject*>& subjects) {
  const Subject* best = nullptr;
  size_t most = 0;
  for (const Subject* s : subjects) {
    auto rows = scored_rows(*s);
    size_t n = static_cast<size_t>(
        std::count_if(rows.begin(), rows.end(), [](const SubjectRow* row) { return believed(*row); }));
    if (best && n <= most) continue;
    best = s;
    most = n;
  }
  if (!best || scored_rows(*best).empty()) return "";
  std::vector<std::string> strong, weak;
  auto rows = scored_rows(*best);
  std::stable_sort(rows.begin(), rows.end(), [](const SubjectRow* a, const SubjectRow* b) {
    return a->task->primary()->value > b->task->primary()->value;
  });
  for (const SubjectRow* row : rows) {
    if (!believed(*row))
      weak.push_back(row_score(*row) + " (" + md(doubt_text(*row->task)) + ")");
    else if (is_share(*row->task->primary()) && row->task->primary()->low > 0.5)
      strong.push_back(row_score(*row));
    else if (is_share(*row->task->primary()) && row->task->primary()->high < 0.5)
      weak.push_back(row_score(*row));
  }
  std::string out = fmt::format("### Performance Baseline ({})\n\n", md(best->label()));
  out += fmt::format("- ✅ **Strengths** (more than half right, beyond noise): {}\n",
                     strong.empty() ? "none so far" : joined(strong));
  out += fmt::format("- ❌ **Weaknesses** (less than half right beyond noise, or suspect): {}\n",
                     weak.empty() ? "none so far" : joined(weak));
  if (best->measured)
    out += fmt::format("- **Speed and memory:** {} generated, process {}, GPU {}\n",
                       number_or_unmeasured(best->measured->performance.generated_tok_s, "tokens/second"),
                       gigabytes_or_unmeasured(best->measured->performance.peak_rss_bytes),
                       gigabytes_or_unmeasured(best->measured->performance.peak_device_bytes));
  return out + fmt::format("- 🎯 **Next Focus:** {}\n\n", next_focus(*best));
}

std::string quality_table(const Comparisons& comparisons) {
  std::vector<const Comparison*> order;
  for (const Comparison& c : comparisons.moves) order.push_back(&c);
  std::stable_sort(order.begin(), order.end(), [](const Comparison* x, const Comparison* y) {
    if (x->move.significant != y->move.significant) return x->move.significant;
    return x->move.p_value < y->move.p_value;
  });
  Table table;
  table.headers = {"Dataset", "A", "B", "A scores", "B scores", "B against A"};
  table.aligns = {Align::left, Align::left, Align::left, Align::right, Align::right, Align::left};
  for (size_t i = 0; i < order.size() && i < kMostRows; ++i) {
    const Comparison& c = *order[i];
    const MetricSummary &a = *c.row_a->task->primary(), &b = *c.row_b->task->primary();
    table.rows.push_back(
        {c.row_a->title, c.a->label(), c.b->label(), score_text(a), score_text(b), move_text(c.move, a) + doubts(c)});
  }
  std::string out =
      "### Quality, Same Questions\n\nSame task, version, shots, template and data. Paired on common docs where the "
      "answers are stored (exact McNemar, or "
      "sign-flip), else unpaired; \"more than noise\" after Holm's correction over the whole table at 5 %.\n\n";
  out += table.rows.empty() ? "No two configurations answered the same questions.\n" : table.markdown();
  if (order.size() > kMostRows)
    out +=
        fmt::format("\n{} more comparisons, all less clear than these: `qeval compare`.\n", order.size() - kMostRows);
  return out + "\n";
}

std::string speed_table(const std::vector<const Subject*>& subjects) {
  Table table;
  table.headers = {"Configuration", "Ran on", "Generated tokens/s", "All tokens/s", "Process memory", "GPU memory"};
  table.aligns = {Align::left, Align::left, Align::right, Align::right, Align::right, Align::right};
  auto number = [](const std::optional<double>& value) { return value ? fmt::format("{:.1f}", *value) : "–"; };
  auto memory = [](const std::optional<int64_t>& bytes) { return bytes ? gigabytes_or_unmeasured(bytes) : "–"; };
  for (const Subject* s : subjects) {
    if (!s->measured) continue;
    const RunPerformance& p = s->measured->performance;
    table.rows.push_back({s->label(), s->measured->device, number(p.generated_tok_s), number(p.total_tok_s),
                          memory(p.peak_rss_bytes), memory(p.peak_device_bytes)});
  }
  if (table.rows.empty()) return "";
  return "### Speed and Memory\n\nComparable only on the same device, engine and tasks; – is unmeasured.\n\n" +
         table.markdown() + "\n";
}

std::string move_line(const Comparison& c) {
  const MetricSummary &a = *c.row_a->task->primary(), &b = *c.row_b->task->primary();
  return fmt::format("- {}: {} {} → {} {}: {}\n", md(c.row_a->title), md(c.a->label()), score_text(a), md(c.b->label()),
                     score_text(b), md(move_text(c.move, a) + doubts(c)));
}

std::string size_impact(const Comparisons& comparisons) {
  std::string out;
  for (Comparison c : comparisons.moves) {
    double a = c.a->newest->weights.params_b, b = c.b->newest->weights.params_b;
    bool sizes = a > 0 && b > 0 && std::abs(a - b) > 0.1 * std::max(a, b);
    if (!sizes || c.a->newest->run.preset != c.b->newest->run.preset) continue;
    if (a > b) {
      std::swap(c.a, c.b);
      std::swap(c.row_a, c.row_b);
      std::swap(c.move.n_only_a, c.move.n_only_b);
      c.move.difference = -c.move.difference;
    }
    out += move_line(c);
  }
  return out.empty() ? "- How does quality scale with size? Not answerable yet: it takes two sizes on the same "
                       "questions under one preset.\n"
                     : out;
}

std::string preset_impact(const std::vector<const Subject*>& subjects, const Comparisons& comparisons) {
  std::string out;
  for (const Comparison& c : comparisons.moves)
    if (c.a->newest->model_key() == c.b->newest->model_key() && c.a->newest->engine_name == c.b->newest->engine_name)
      out += move_line(c);
  for (size_t i = 0; i < subjects.size(); ++i) {
    for (size_t j = i + 1; j < subjects.size(); ++j) {
      const Subject &a = *subjects[i], &b = *subjects[j];
      bool same = a.newest->model_key() == b.newest->model_key() && a.measured && b.measured &&
                  a.measured->device == b.measured->device && a.newest->engine_name == b.newest->engine_name;
      if (!same || !a.measured->performance.generated_tok_s || !b.measured->performance.generated_tok_s ||
          *a.measured->performance.generated_tok_s <= 0)
        continue;
      out += fmt::format("- Speed of {}: {} generates {:.2f} times as many tokens per second as {}.\n",
                         md(a.newest->model_label()), md(b.newest->run.preset),
                         *b.measured->performance.generated_tok_s / *a.measured->performance.generated_tok_s,
                         md(a.newest->run.preset));
    }
  }
  return out.empty() ? "- Which preset fits which task? Not answerable yet: it takes one model under two presets.\n"
                     : out;
}

// What form or infrastructure broke; wrong answers alone are the score itself.
std::string why_not_higher(const Subject& s) {
  std::string out;
  for (const SubjectRow* row : scored_rows(s)) {
    const ClassCount* most = most_frequent_failure(*row->task);
    if (!most || most->failure_class == FailureClass::wrong_answer) continue;
    out += fmt::format("- Why is {} of {} not higher? Most often: {} ({} of {}).\n", md(row->title), md(s.label()),
                       class_text(most->failure_class), most->n, row->task->n_docs);
  }
  return out;
}

std::string task_specific(const std::vector<const Subject*>& subjects) {
  std::string out;
  for (const Subject* s : subjects) {
    std::vector<const SubjectRow*> rows;
    for (const SubjectRow* row : scored_rows(*s))
      if (believed(*row) && is_share(*row->task->primary())) rows.push_back(row);
    auto by_value = [](const SubjectRow* a, const SubjectRow* b) {
      return a->task->primary()->value < b->task->primary()->value;
    };
    if (rows.size() > 1) {
      auto [low, high] = std::minmax_element(rows.begin(), rows.end(), by_value);
      if (by_value(*low, *high))
        out += fmt::format("- What is {} best and worst at? {}; {}.\n", md(s->label()), row_score(**high),
                           row_score(**low));
    }
    out += why_not_higher(*s);
  }
  return out.empty() ? "- No finished run answers one yet.\n" : out;
}

}  // namespace

std::string comparison_section(const std::vector<const Subject*>& subjects, const Comparisons& comparisons) {
  std::string out = "## Comparative Analysis\n\n";
  std::string base = baseline(subjects);
  out += base.empty() ? "No scores yet.\n\n" : base;
  if (subjects.size() < 2) return out + "One configuration so far: there is nothing to compare it with.\n\n";
  out += quality_table(comparisons);
  if (!comparisons.not_compared.empty()) {
    out += "**Not compared, because the question was another one:**\n\n";
    for (size_t i = 0; i < comparisons.not_compared.size() && i < kMostRows; ++i)
      out += "- " + comparisons.not_compared[i] + "\n";
    if (comparisons.not_compared.size() > kMostRows)
      out += fmt::format("- … and {} more\n", comparisons.not_compared.size() - kMostRows);
    out += "\n";
  }
  return out + speed_table(subjects);
}

std::string judged_pairs_table(const TrackerInput& input) {
  Table table;
  table.headers = {"A", "B", "Judge", "A wins", "B wins", "Ties", "A's win rate", "Orders disagree"};
  table.aligns = {Align::left, Align::left, Align::left, Align::right, Align::right, Align::right, Align::left, Align::right};
  auto label = [&](int64_t id) {
    for (const RunView& view : input.runs)
      if (view.run.id == id) return fmt::format("run {}: {}", id, view.subject());
    return fmt::format("run {}", id);
  };
  for (const Json& pair : input.judged_pairs) {
    const Json result = pair.value("result", Json::object());
    const int64_t n = json_int(result, "n"), disagree = json_int(result, "n_disagree");
    table.rows.push_back({label(json_int(pair, "first_run")), label(json_int(pair, "second_run")), json_string(pair, "judge"),
                          std::to_string(json_int(result, "n_first")), std::to_string(json_int(result, "n_second")), std::to_string(json_int(result, "n_tie")),
                          n > 0 ? fmt::format("{} [{:.1f}, {:.1f}]", percent(json_number(result, "win_rate")), 100 * json_number(result, "low"), 100 * json_number(result, "high")) : "unmeasured",
                          fmt::format("{} of {}", disagree, n)});
  }
  if (table.rows.empty()) return "";
  return "### Compared by a Judge\n\nThe same questions, each pair in both orders; won only where both orders name the same winner.\n\n" + table.markdown() + "\n";
}

std::string questions_section(const std::vector<const Subject*>& subjects, const Comparisons& comparisons) {
  return "## Research Questions\n\nAnswered as far as the stored runs allow.\n\n### **Model Size Impact**\n\n" +
         size_impact(comparisons) + "\n### **Configuration Optimization**\n\n" + preset_impact(subjects, comparisons) +
         "\n### **Task-Specific Performance**\n\n" + task_specific(subjects) + "\n";
}

}  // namespace qeval
