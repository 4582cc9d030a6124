#include "qeval/load/level.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <unordered_map>

#include "qeval/util/clock.h"

namespace qeval {
namespace {

using std::chrono::microseconds;
using TimePoint = SteadyClock::time_point;

constexpr auto kReportEvery = std::chrono::milliseconds(500);
constexpr size_t kMaxInFlight = 20000;

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

microseconds us(double seconds) { return microseconds(static_cast<int64_t>(seconds * 1e6)); }

class LevelRun {
 public:
  LevelRun(Workload& workload, const LevelPlan& plan, const OnAnswer& on_answer, const std::atomic<bool>* stop,
           const std::function<void(const LevelResult&)>& progress)
      : workload_(workload), plan_(plan), on_answer_(on_answer), stop_(stop), progress_(progress), random_(plan.seed * 7919 + static_cast<uint64_t>(plan.index)) {
    result_.plan = plan;
  }

  Result<LevelResult> go(Engine& engine) {
    SessionOptions options;
    options.max_pending = kMaxInFlight;
    QEVAL_TRY(session_, engine.open_session(options));
    QEVAL_CHECK(warm_up());
    start_ = SteadyClock::now();
    const double cpu_before = cpu_s();
    next_arrival_ = start_;
    QEVAL_CHECK(send_and_take());
    QEVAL_CHECK(drain());
    result_.wall_s = std::chrono::duration<double>(last_answer_ - start_).count();
    result_.client_cpu = (cpu_s() - cpu_before) / std::max(1e-9, seconds_since(start_));
    result_.targets = check_targets(plan_.targets, result_.latencies);
    return std::move(result_);
  }

 private:
  struct Sent {
    int64_t index = 0;
    LoadItem item;
    double lag_s = 0;
    bool counted = true;
  };

  bool stopped() const { return stop_ && stop_->load(); }

  Result<bool> send(int64_t index, TimePoint planned, bool counted) {
    Sent sent;
    sent.index = index;
    sent.item = workload_.item(plan_.index, index);
    sent.counted = counted;
    Request request = sent.item.request;
    request.id = next_id_++;
    sent.lag_s = std::max(0.0, seconds_since(planned));
    const RequestId id = request.id;
    QEVAL_TRY(bool accepted, session_->submit(std::move(request)));
    if (!accepted) return false;
    if (counted) {
      ++result_.n_sent;
      result_.send_lag.add(sent.lag_s);
    }
    in_flight_.emplace(id, std::move(sent));
    return true;
  }

  // Prompts of their own, beyond those of the level.
  Status warm_up() {
    constexpr int64_t kBeyond = 1'000'000'000;
    for (int i = 0; i < plan_.n_warm_up && !stopped(); ++i) {
      QEVAL_TRY(bool accepted, send(kBeyond + i, SteadyClock::now(), false));
      if (accepted) ++result_.n_warm_up;
    }
    while (!in_flight_.empty() && !stopped()) QEVAL_CHECK(take(std::chrono::milliseconds(100)));
    return {};
  }

  bool may_send(TimePoint now) const {
    if (plan_.n_requests > 0) return result_.n_sent < plan_.n_requests;
    return now - start_ < us(plan_.duration_s);
  }

  Status send_and_take() {
    while (!stopped()) {
      const auto now = SteadyClock::now();
      if (!may_send(now)) return {};
      QEVAL_CHECK(plan_.concurrency > 0 ? keep_full(now) : send_arrived(now));
      const auto wait = plan_.concurrency > 0 ? microseconds(50000) : std::chrono::duration_cast<microseconds>(next_arrival_ - SteadyClock::now());
      QEVAL_CHECK(take(std::chrono::ceil<std::chrono::milliseconds>(std::clamp(wait, microseconds(0), microseconds(50000)))));
      if (saturated() || hopeless()) return {};
    }
    result_.ended_early = "stopped by the user";
    return {};
  }

  Status keep_full(TimePoint now) {
    while (static_cast<int>(in_flight_.size()) < plan_.concurrency && may_send(now)) {
      QEVAL_TRY(bool accepted, send(result_.n_sent, now, true));
      if (!accepted) break;
      now = SteadyClock::now();
    }
    return {};
  }

  Status send_arrived(TimePoint now) {
    while (next_arrival_ <= now && may_send(now)) {
      QEVAL_TRY(bool accepted, send(result_.n_sent, next_arrival_, true));
      if (!accepted) break;
      next_arrival_ += us(draw_gap_s(random_, plan_.rate, plan_.burstiness));
      now = SteadyClock::now();
    }
    return {};
  }

  bool saturated() {
    if (plan_.concurrency > 0) return false;
    const double most = std::max(32.0, plan_.rate * plan_.saturated_s);
    if (static_cast<double>(in_flight_.size()) <= most) return false;
    result_.ended_early = fmt::format("over-saturated: {} questions in flight, more than arrive in {:g} s", in_flight_.size(), plan_.saturated_s);
    return true;
  }

  // A percentile that so many answers already miss cannot be met any more, however the rest goes.
  bool hopeless() {
    if (plan_.targets.empty() || plan_.n_requests == 0) return false;
    for (const Target& target : plan_.targets) {
      if (target.figure == "itl") continue;
      const double allowed = static_cast<double>(plan_.n_requests) * (1 - target.percentile / 100) + 1;
      if (static_cast<double>(n_missed_[target.text()]) <= allowed) continue;
      result_.ended_early = fmt::format("{} can no longer be met", target.text());
      return true;
    }
    return false;
  }

  Status take(std::chrono::milliseconds timeout) {
    auto response = session_->next(timeout);
    while (response) {
      QEVAL_CHECK(count(*response));
      response = session_->next(std::chrono::milliseconds(0));
    }
    if (progress_ && SteadyClock::now() - last_report_ > kReportEvery) {
      last_report_ = SteadyClock::now();
      result_.wall_s = std::chrono::duration<double>(last_report_ - start_).count();
      progress_(result_);
    }
    if (auto died = session_->died()) return fail(*died);
    return {};
  }

  Status count(const Response& r) {
    auto found = in_flight_.find(r.id);
    if (found == in_flight_.end()) return {};
    Sent sent = std::move(found->second);
    in_flight_.erase(found);
    if (!sent.counted) {
      result_.n_warm_up_tokens += r.n_new_tokens;
      return {};
    }
    last_answer_ = SteadyClock::now();
    if (r.finish == FinishReason::cancelled) {
      ++result_.n_cancelled;
      return {};
    }
    if (r.failure != EngineFailure::none) {
      ++result_.n_failed;
      ++result_.failures[to_string(r.failure)];
    } else {
      measure(r, sent.lag_s);
    }
    return on_answer_ ? on_answer_(sent.index, sent.item, r) : Status{};
  }

  void measure(const Response& r, double lag_s) {
    ++result_.n_good;
    result_.n_prompt_tokens += r.n_prompt_tokens;
    result_.n_cached_tokens += r.n_cached_tokens;
    result_.n_new_tokens += r.n_new_tokens;
    const double ttft_s = r.first_token_s + lag_s, e2e_s = r.total_s + lag_s;
    if (r.first_token_s > 0) result_.latencies.ttft.add(ttft_s);
    result_.latencies.e2e.add(e2e_s);
    for (size_t i = 1; i < r.token_times_s.size(); ++i) result_.latencies.itl.add(r.token_times_s[i] - r.token_times_s[i - 1]);
    const double last_s = r.token_times_s.empty() ? r.total_s : r.token_times_s.back();
    if (r.n_new_tokens > 1 && r.first_token_s > 0 && last_s > r.first_token_s)
      result_.stream_s_per_token.add((last_s - r.first_token_s) / (r.n_new_tokens - 1));
    for (const Target& target : plan_.targets) {
      const double value = target.figure == "ttft" ? ttft_s : e2e_s;
      if (target.figure != "itl" && value >= target.limit_s) ++n_missed_[target.text()];
    }
  }

  Status drain() {
    if (stopped() || !result_.ended_early.empty()) session_->cancel_all();
    session_->close_input();
    while (!in_flight_.empty()) {
      if (stopped()) session_->cancel_all();
      QEVAL_CHECK(take(std::chrono::milliseconds(100)));
      if (session_->finished()) break;
    }
    return {};
  }

  Workload& workload_;
  const LevelPlan& plan_;
  const OnAnswer& on_answer_;
  const std::atomic<bool>* stop_;
  const std::function<void(const LevelResult&)>& progress_;
  std::mt19937_64 random_;
  std::unique_ptr<EngineSession> session_;
  LevelResult result_;
  RequestId next_id_ = 1;
  std::unordered_map<RequestId, Sent> in_flight_;
  std::map<std::string, int64_t> n_missed_;
  TimePoint start_{}, next_arrival_{}, last_answer_ = SteadyClock::now(), last_report_ = SteadyClock::now();
};

Json percentiles(const LatencyHistogram& h) {
  Json out = {{"n", h.n()}};
  for (auto [name, share] : {std::pair{"p50_s", 0.5}, {"p95_s", 0.95}, {"p99_s", 0.99}}) {
    const auto value = h.percentile(share);
    out[name] = value ? Json(*value) : Json(nullptr);
  }
  out["mean_s"] = h.n() > 0 ? Json(h.sum_s() / static_cast<double>(h.n())) : Json(nullptr);
  out["max_s"] = h.n() > 0 ? Json(h.max_s()) : Json(nullptr);
  return out;
}

}  // namespace

std::string LevelPlan::label() const { return concurrency > 0 ? fmt::format("{} at once", concurrency) : fmt::format("{:.4g}/s", rate); }

Json to_json(const LevelResult& r) {
  Json out = {{"level", r.plan.label()}, {"loop", r.plan.concurrency > 0 ? "closed" : "open"}, {"concurrency", r.plan.concurrency},
              {"rate", r.plan.rate}, {"burstiness", r.plan.burstiness}, {"n_sent", r.n_sent}, {"n_good", r.n_good},
              {"n_failed", r.n_failed}, {"n_cancelled", r.n_cancelled}, {"failures", r.failures}, {"wall_s", r.wall_s},
              {"n_prompt_tokens", r.n_prompt_tokens}, {"n_cached_tokens", r.n_cached_tokens}, {"n_new_tokens", r.n_new_tokens},
              {"requests_per_s", r.requests_per_s()}, {"new_tokens_per_s", r.new_tokens_per_s()},
              {"prompt_tokens_per_s", r.prompt_tokens_per_s()}, {"ttft", percentiles(r.latencies.ttft)},
              {"itl", percentiles(r.latencies.itl)}, {"e2e", percentiles(r.latencies.e2e)}, {"send_lag", percentiles(r.send_lag)},
              {"client_cpu", r.client_cpu}, {"ended_early", r.ended_early}, {"n_warm_up", r.n_warm_up}};
  const auto median = r.stream_s_per_token.percentile(0.5);
  out["stream_tokens_per_s"] = median && *median > 0 ? Json(1 / *median) : Json(nullptr);
  Json targets = Json::array();
  for (const TargetResult& t : r.targets)
    targets.push_back({{"target", t.target.text()}, {"value_s", t.value_s ? Json(*t.value_s) : Json(nullptr)}, {"met", t.met}});
  out["targets"] = std::move(targets);
  out["hygiene"] = r.hygiene;
  out["dirt"] = r.dirt;
  if (r.score) out["score"] = *r.score;
  return out;
}

Result<LevelResult> run_level(Engine& engine, Workload& workload, const LevelPlan& plan, const OnAnswer& on_answer,
                              const std::atomic<bool>* stop, const std::function<void(const LevelResult&)>& progress) {
  return LevelRun(workload, plan, on_answer, stop, progress).go(engine);
}

}  // namespace qeval
