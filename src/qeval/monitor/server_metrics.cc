#include "qeval/monitor/server_metrics.h"

#include <algorithm>

#include "qeval/net/http_client.h"
#include "qeval/net/prometheus.h"

namespace qeval {
namespace {

using Field = std::optional<double> ServerReading::*;

struct Name {
  std::string_view name;
  Field field;
  bool is_mean = false;  // of the engines, not their sum
};

// vLLM 0.10 to 0.32 ("gpu_cache_usage_perc" and "time_per_output_token_seconds" are the older names), llama-server.
constexpr Name kNames[] = {
    {"vllm:num_requests_running", &ServerReading::running},
    {"vllm:num_requests_waiting", &ServerReading::waiting},
    {"vllm:kv_cache_usage_perc", &ServerReading::kv_usage, true},
    {"vllm:gpu_cache_usage_perc", &ServerReading::kv_usage, true},
    {"vllm:prefix_cache_queries_total", &ServerReading::prefix_queries},
    {"vllm:gpu_prefix_cache_queries_total", &ServerReading::prefix_queries},
    {"vllm:prefix_cache_hits_total", &ServerReading::prefix_hits},
    {"vllm:gpu_prefix_cache_hits_total", &ServerReading::prefix_hits},
    {"vllm:num_preemptions_total", &ServerReading::preemptions},
    {"vllm:prompt_tokens_total", &ServerReading::prompt_tokens},
    {"vllm:generation_tokens_total", &ServerReading::generation_tokens},
    {"vllm:request_success_total", &ServerReading::requests},
    {"vllm:request_queue_time_seconds_sum", &ServerReading::queue_s},
    {"vllm:request_prefill_time_seconds_sum", &ServerReading::prefill_s},
    {"vllm:request_decode_time_seconds_sum", &ServerReading::decode_s},
    {"vllm:time_to_first_token_seconds_sum", &ServerReading::ttft_s},
    {"vllm:time_to_first_token_seconds_count", &ServerReading::ttft_n},
    {"vllm:inter_token_latency_seconds_sum", &ServerReading::itl_s},
    {"vllm:inter_token_latency_seconds_count", &ServerReading::itl_n},
    {"vllm:time_per_output_token_seconds_sum", &ServerReading::itl_s},
    {"vllm:time_per_output_token_seconds_count", &ServerReading::itl_n},
    {"vllm:e2e_request_latency_seconds_sum", &ServerReading::e2e_s},
    {"vllm:e2e_request_latency_seconds_count", &ServerReading::e2e_n},
    {"llamacpp:requests_processing", &ServerReading::running},
    {"llamacpp:requests_deferred", &ServerReading::waiting},
    {"llamacpp:kv_cache_usage_ratio", &ServerReading::kv_usage, true},
    {"llamacpp:prompt_tokens_total", &ServerReading::prompt_tokens},
    {"llamacpp:tokens_predicted_total", &ServerReading::generation_tokens},
    {"llamacpp:prompt_seconds_total", &ServerReading::prefill_s},
    {"llamacpp:tokens_predicted_seconds_total", &ServerReading::decode_s},
};

constexpr Field kAll[] = {&ServerReading::running, &ServerReading::waiting, &ServerReading::kv_usage, &ServerReading::prefix_queries,
                          &ServerReading::prefix_hits, &ServerReading::preemptions, &ServerReading::prompt_tokens,
                          &ServerReading::generation_tokens, &ServerReading::requests, &ServerReading::queue_s,
                          &ServerReading::prefill_s, &ServerReading::decode_s, &ServerReading::ttft_s, &ServerReading::ttft_n,
                          &ServerReading::itl_s, &ServerReading::itl_n, &ServerReading::e2e_s, &ServerReading::e2e_n};

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

// A restarted server counts from zero again: what it says is then the difference.
std::optional<double> since(const std::optional<double>& first, const std::optional<double>& last) {
  if (!last) return std::nullopt;
  return first && *first <= *last ? *last - *first : *last;
}

ServerReading read_one(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.connect_timeout_s = 2;
  request.stall_timeout_s = 5;
  request.retries = 0;
  request.max_bytes = 8 << 20;
  auto response = http_send(request);
  return response && response->status == 200 ? parse_server_metrics(response->body) : ServerReading{};
}

bool any(const ServerReading& r) {
  return std::any_of(std::begin(kAll), std::end(kAll), [&](Field field) { return (r.*field).has_value(); });
}

}  // namespace

ServerReading parse_server_metrics(std::string_view text) {
  ServerReading out;
  std::map<std::string_view, int> n_seen;
  for_each_metric(text, [&](std::string_view name, double value) {
    for (const Name& known : kNames) {
      if (known.name != name) continue;
      std::optional<double>& field = out.*known.field;
      int n = n_seen[known.name]++;
      field = known.is_mean ? (field.value_or(0) * n + value) / (n + 1) : field.value_or(0) + value;
      break;
    }
  });
  return out;
}

ServerReading joined(const ServerReading& a, const ServerReading& b) {
  ServerReading out = a;
  for (Field field : kAll) {
    if (!(b.*field)) continue;
    bool both = (a.*field).has_value();
    out.*field = (a.*field).value_or(0) + *(b.*field);
    if (both && field == &ServerReading::kv_usage) out.*field = *(out.*field) / 2;
  }
  return out;
}

ServerWatch::ServerWatch(std::vector<std::string> urls, size_t max_rows) : urls_(std::move(urls)), max_rows_(std::max<size_t>(4, max_rows)) {}
ServerWatch::~ServerWatch() { stop(); }

void ServerWatch::start(std::chrono::milliseconds period) {
  stop();
  rows_.clear();
  stop_ = false;
  stride_ = 1;
  skipped_ = 0;
  started_ = SteadyClock::now();
  if (urls_.empty()) return;
  thread_ = std::thread([this, period] { loop(std::max(period, std::chrono::milliseconds(100))); });
}

void ServerWatch::stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
  stride_ = 1;  // the last reading is always kept
  read();
}

void ServerWatch::loop(std::chrono::milliseconds period) {
  auto due = SteadyClock::now();
  while (true) {
    read();
    due = std::max(due + period, SteadyClock::now());
    std::unique_lock lock(mutex_);
    if (wake_.wait_until(lock, due, [&] { return stop_; })) return;
  }
}

void ServerWatch::read() {
  ServerReading reading;
  for (const std::string& url : urls_) reading = joined(reading, read_one(url));
  if (!any(reading)) return;
  std::lock_guard lock(mutex_);
  if (rows_.empty()) first_ = reading;
  if (++skipped_ < stride_) return;
  skipped_ = 0;
  if (rows_.size() >= max_rows_) {
    // A long run: every second reading stays, and from now on is taken.
    for (size_t i = 0; 2 * i < rows_.size(); ++i) rows_[i] = rows_[2 * i];
    rows_.resize((rows_.size() + 1) / 2);
    stride_ *= 2;
  }
  rows_.push_back({seconds_since(started_), reading});
}

Json ServerWatch::series() const {
  std::lock_guard lock(mutex_);
  if (rows_.empty()) return nullptr;
  Json rows = Json::array();
  for (const Row& row : rows_) {
    const ServerReading& r = row.reading;
    rows.push_back({std::round(row.t_s * 1000) / 1000, or_null(r.running), or_null(r.waiting), or_null(r.kv_usage),
                    or_null(since(first_.generation_tokens, r.generation_tokens)), or_null(since(first_.prompt_tokens, r.prompt_tokens)),
                    or_null(since(first_.preemptions, r.preemptions)), or_null(since(first_.prefix_queries, r.prefix_queries)),
                    or_null(since(first_.prefix_hits, r.prefix_hits))});
  }
  return {{"columns", {"t_s", "running", "waiting", "kv_usage", "generation_tokens", "prompt_tokens", "preemptions", "prefix_queries", "prefix_hits"}},
          {"rows", std::move(rows)}};
}

Json ServerWatch::summary() const {
  std::lock_guard lock(mutex_);
  if (rows_.empty()) return nullptr;
  const ServerReading& last = rows_.back().reading;
  Json out = {{"readings", rows_.size()}};
  auto gauge = [&](const char* name, Field field) {
    double sum = 0, peak = 0;
    int n = 0;
    for (const Row& row : rows_)
      if (row.reading.*field) sum += *(row.reading.*field), peak = std::max(peak, *(row.reading.*field)), ++n;
    if (n > 0) out[std::string(name) + "_mean"] = sum / n, out[std::string(name) + "_peak"] = peak;
  };
  gauge("running", &ServerReading::running);
  gauge("waiting", &ServerReading::waiting);
  gauge("kv_usage", &ServerReading::kv_usage);
  auto counter = [&](const char* name, Field field) {
    if (auto value = since(first_.*field, last.*field)) out[name] = *value;
  };
  counter("prompt_tokens", &ServerReading::prompt_tokens);
  counter("generation_tokens", &ServerReading::generation_tokens);
  counter("preemptions", &ServerReading::preemptions);
  counter("requests", &ServerReading::requests);
  counter("prefix_queries", &ServerReading::prefix_queries);
  counter("prefix_hits", &ServerReading::prefix_hits);
  counter("queue_s", &ServerReading::queue_s);
  counter("prefill_s", &ServerReading::prefill_s);
  counter("decode_s", &ServerReading::decode_s);
  auto mean = [&](const char* name, Field sum, Field n) {
    auto s = since(first_.*sum, last.*sum), count = since(first_.*n, last.*n);
    if (s && count && *count > 0) out[name] = *s / *count;
  };
  mean("ttft_mean_s", &ServerReading::ttft_s, &ServerReading::ttft_n);
  mean("itl_mean_s", &ServerReading::itl_s, &ServerReading::itl_n);
  mean("e2e_mean_s", &ServerReading::e2e_s, &ServerReading::e2e_n);
  if (out.contains("prefix_queries") && out["prefix_queries"] > 0)
    out["prefix_hit_share"] = json_number(out, "prefix_hits") / json_number(out, "prefix_queries");
  return out;
}

}  // namespace qeval
