#include "qeval/monitor/monitor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "qeval/os/process_info.h"

namespace qeval {
namespace {

constexpr auto kShortestPeriod = std::chrono::milliseconds(10);
constexpr int kChildrenCostShare = 200;  // a look at all processes may take 0.5 % of the time

struct HostMemory {
  int64_t total_bytes = 0, available_bytes = 0;
};

HostMemory host_memory() {
  HostMemory out;
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/meminfo", "re"), std::fclose);
  char line[256];
  for (int n = 0; file && n < 8 && std::fgets(line, sizeof line, file.get()); ++n) {
    if (std::strncmp(line, "MemTotal:", 9) == 0) out.total_bytes = std::strtoll(line + 9, nullptr, 10) * 1024;
    if (std::strncmp(line, "MemAvailable:", 13) == 0) out.available_bytes = std::strtoll(line + 13, nullptr, 10) * 1024;
  }
  return out;
}

template <typename T>
std::optional<T> highest(const std::optional<T>& a, const std::optional<T>& b) {
  if (!a || !b) return a ? a : b;
  return std::max(*a, *b);
}

Json or_null(const auto& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Monitor::Monitor() : Monitor(open_nvml()) {}
Monitor::Monitor(std::unique_ptr<DeviceProbe> devices, size_t max_rows)
    : devices_(std::move(devices)), max_rows_(std::max<size_t>(2, max_rows / 2 * 2)) {}
Monitor::~Monitor() { stop(); }

void Monitor::start(std::chrono::milliseconds period) {
  stop();
  summary_ = {};
  rows_.clear();
  samples_per_row_ = 1;
  samples_in_row_ = 0;
  device_utilisation_sum_ = device_power_sum_ = 0;
  n_utilisation_ = n_power_ = n_clock_ = n_throttle_ = 0;
  clock_sum_ = last_energy_s_ = energy_j_ = 0;
  n_throttled_.clear();
  children_ = {};
  stop_ = false;
  started_ = children_due_ = SteadyClock::now();
  first_cpu_s_ = last_cpu_s_ = usage(true).cpu_s;
  first_peak_rss_ = own_usage().peak_rss_bytes;
  sample(false);
  thread_ = std::thread([this, period] { loop(std::max<std::chrono::milliseconds>(period, kShortestPeriod)); });
}

MonitorSummary Monitor::stop() {
  if (!thread_.joinable()) return summary_;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
  sample(true);
  summarise();
  return summary_;
}

void Monitor::loop(std::chrono::milliseconds period) {
  auto due = started_ + period;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_until(lock, due, [&] { return stop_; })) {
    lock.unlock();
    sample(SteadyClock::now() >= children_due_);
    // After a pause (a stopped process, a suspended machine) the missed samples are not made up for.
    due = std::max(due + period, SteadyClock::now());
    lock.lock();
  }
}

Monitor::Usage Monitor::usage(bool look_at_children) {
  ProcessUsage own = own_usage();
  if (look_at_children) {
    auto begin = SteadyClock::now();
    children_ = {};
    std::vector<pid_t> tree = process_tree(::getpid());
    own_processes_ = {tree.begin(), tree.end()};
    for (int group : groups_)
      for (pid_t pid : process_group(group)) own_processes_.insert(pid);
    ProcessUsage all = processes_usage({own_processes_.begin(), own_processes_.end()});
    // They were read a moment later than `own`: never less than nothing.
    children_.rss_bytes = std::max<int64_t>(0, all.rss_bytes - own.rss_bytes);
    children_.cpu_s = std::max(0.0, all.cpu_s - own.cpu_s);
    auto end = SteadyClock::now();
    children_due_ = end + (end - begin) * kChildrenCostShare;
  }
  return {own.rss_bytes + children_.rss_bytes, own.cpu_s + children_.cpu_s};
}

void Monitor::read_devices(Row* row) {
  if (!devices_) return;
  std::vector<DeviceReading> readings = devices_->read();
  if (readings.empty()) return;
  int64_t used = 0, total = 0;
  double utilisation = 0, power = 0;
  size_t n_utilisation = 0, n_power = 0;
  for (const DeviceReading& reading : readings) {
    used += reading.used_bytes;
    total += reading.total_bytes;
    if (reading.utilisation) utilisation += *reading.utilisation, ++n_utilisation;
    if (reading.power_w) power += *reading.power_w, ++n_power;
    note_device(reading, row);
  }
  row->device_bytes = used;
  if (n_utilisation > 0) {
    row->device_utilisation = utilisation / static_cast<double>(n_utilisation);
    device_utilisation_sum_ += *row->device_utilisation;
    ++n_utilisation_;
  }
  if (n_power > 0) {
    row->device_power_w = power;
    device_power_sum_ += power;
    ++n_power_;
    energy_j_ += power * (row->t_s - last_energy_s_);
    last_energy_s_ = row->t_s;
  }
  summary_.device_total_bytes = total;
  summary_.peak_device_bytes = highest(summary_.peak_device_bytes, row->device_bytes);
  const std::string& name = readings.front().name;
  summary_.device_name = readings.size() == 1 ? name : fmt::format("{} × {}", readings.size(), name);
}

void Monitor::note_device(const DeviceReading& reading, Row* row) {
  if (reading.sm_clock_mhz) {
    row->sm_clock_mhz = row->sm_clock_mhz ? std::min(*row->sm_clock_mhz, *reading.sm_clock_mhz) : *reading.sm_clock_mhz;
    clock_sum_ += *reading.sm_clock_mhz;
    ++n_clock_;
    double lowest = summary_.lowest_sm_clock_mhz.value_or(*reading.sm_clock_mhz);
    summary_.lowest_sm_clock_mhz = std::min(lowest, *reading.sm_clock_mhz);
  }
  row->temperature_c = highest(row->temperature_c, reading.temperature_c);
  summary_.highest_temperature_c = highest(summary_.highest_temperature_c, reading.temperature_c);
  if (reading.throttle_reasons) {
    ++n_throttle_;
    for (const std::string& name : throttle_names(*reading.throttle_reasons)) ++n_throttled_[name];
  }
  if (auto n = foreign(reading.process_ids)) {
    row->foreign_processes = row->foreign_processes.value_or(0) + *n;
    summary_.foreign_processes = std::max(summary_.foreign_processes.value_or(0), static_cast<int>(*row->foreign_processes));
  }
}

// Unknown where the driver numbers processes otherwise than this container does.
std::optional<int> Monitor::foreign(const std::vector<int>& process_ids) const {
  int n = 0;
  for (int pid : process_ids) {
    if (own_processes_.contains(pid)) continue;
    if (::kill(pid, 0) != 0 && errno == ESRCH) return std::nullopt;
    ++n;
  }
  return n;
}

void Monitor::sample(bool look_at_children) {
  Row row;
  Usage now = usage(look_at_children);
  row.t_s = seconds_since(started_);
  row.rss_bytes = now.rss_bytes;
  // Children that ended without being waited for take their time with them.
  row.cpu_s = std::max(0.0, now.cpu_s - last_cpu_s_);
  last_cpu_s_ = std::max(last_cpu_s_, now.cpu_s);
  HostMemory host = host_memory();
  row.host_available_bytes = host.available_bytes;
  summary_.host_memory_bytes = host.total_bytes;
  summary_.peak_rss_bytes = std::max(summary_.peak_rss_bytes, row.rss_bytes);
  if (host.available_bytes > 0)
    summary_.lowest_host_available_bytes =
        rows_.empty() ? host.available_bytes : std::min(summary_.lowest_host_available_bytes, host.available_bytes);
  read_devices(&row);
  add(row);
}

Monitor::Row Monitor::joined(const Row& first, const Row& second) {
  Row out = second;
  out.rss_bytes = std::max(first.rss_bytes, second.rss_bytes);
  out.cpu_s = first.cpu_s + second.cpu_s;
  out.host_available_bytes = std::min(first.host_available_bytes, second.host_available_bytes);
  out.device_bytes = highest(first.device_bytes, second.device_bytes);
  if (first.device_utilisation && second.device_utilisation)
    out.device_utilisation = (*first.device_utilisation + *second.device_utilisation) / 2;
  else if (first.device_utilisation)
    out.device_utilisation = first.device_utilisation;
  out.device_power_w = highest(first.device_power_w, second.device_power_w);
  if (first.sm_clock_mhz) out.sm_clock_mhz = second.sm_clock_mhz ? std::min(*first.sm_clock_mhz, *second.sm_clock_mhz) : *first.sm_clock_mhz;
  out.temperature_c = highest(first.temperature_c, second.temperature_c);
  out.foreign_processes = highest(first.foreign_processes, second.foreign_processes);
  return out;
}

void Monitor::add(const Row& row) {
  if (samples_in_row_ > 0 && samples_in_row_ < samples_per_row_) {
    rows_.back() = joined(rows_.back(), row);
    ++samples_in_row_;
    return;
  }
  if (rows_.size() >= max_rows_) {
    // A long run: rows twice as wide.
    size_t half = rows_.size() / 2;
    for (size_t i = 0; i < half; ++i) rows_[i] = joined(rows_[2 * i], rows_[2 * i + 1]);
    rows_.resize(half);
    samples_per_row_ *= 2;
  }
  rows_.push_back(row);
  samples_in_row_ = 1;
}

Json Monitor::series_json() const {
  double cores = std::max(1U, std::thread::hardware_concurrency());
  Json rows = Json::array();
  double before_s = 0;
  for (const Row& row : rows_) {
    double interval_s = row.t_s - before_s;
    before_s = row.t_s;
    double cpu = interval_s > 0 ? std::min(1.0, row.cpu_s / interval_s / cores) : 0;
    rows.push_back({std::round(row.t_s * 1000) / 1000, row.rss_bytes, std::round(cpu * 10'000) / 10'000,
                    row.host_available_bytes, or_null(row.device_bytes), or_null(row.device_utilisation), or_null(row.device_power_w),
                    or_null(row.sm_clock_mhz), or_null(row.temperature_c), or_null(row.foreign_processes)});
  }
  return {{"columns", {"t_s", "rss_bytes", "cpu", "host_available_bytes", "device_bytes", "device_utilisation", "device_power_w",
           "sm_clock_mhz", "temperature_c", "foreign_processes"}},
          {"rows", std::move(rows)}};
}

void Monitor::summarise() {
  double cores = std::max(1U, std::thread::hardware_concurrency());
  summary_.wall_s = seconds_since(started_);
  summary_.cpu_s = last_cpu_s_ - first_cpu_s_;
  if (summary_.wall_s > 0) summary_.cpu_utilisation = std::clamp(summary_.cpu_s / summary_.wall_s / cores, 0.0, 1.0);
  // The kernel saw peaks between two samples; its mark counts from the process's start, so only if it rose.
  if (int64_t peak = own_usage().peak_rss_bytes; peak > first_peak_rss_)
    summary_.peak_rss_bytes = std::max(summary_.peak_rss_bytes, peak);
  if (n_utilisation_ > 0) summary_.device_utilisation = device_utilisation_sum_ / static_cast<double>(n_utilisation_);
  if (n_power_ > 0) summary_.device_power_w = device_power_sum_ / static_cast<double>(n_power_);
  if (n_power_ > 0) summary_.device_energy_j = energy_j_;
  if (n_clock_ > 0) summary_.mean_sm_clock_mhz = clock_sum_ / static_cast<double>(n_clock_);
  for (const auto& [name, n] : n_throttled_) summary_.throttled[name] = static_cast<double>(n) / static_cast<double>(n_throttle_);
  summary_.series = series_json();
}

Json appended_series(const Json& earlier, const Json& later) {
  Json out = later;
  auto has_rows = [](const Json& series) {
    return series.is_object() && series.contains("rows") && series["rows"].is_array() && series.contains("columns");
  };
  if (!has_rows(out)) return has_rows(earlier) ? earlier : later;
  out["attempts"] = Json::array({0});
  if (!has_rows(earlier) || earlier["columns"] != later["columns"] || earlier["rows"].empty()) return out;
  out["rows"] = earlier["rows"];
  if (earlier.contains("attempts")) out["attempts"] = earlier["attempts"];
  out["attempts"].push_back(earlier["rows"].size());
  const Json& last = earlier["rows"].back();
  double shift_s = last.is_array() && !last.empty() && last[0].is_number() ? last[0].get<double>() : 0;
  for (Json row : later["rows"]) {
    if (row.is_array() && !row.empty() && row[0].is_number()) row[0] = row[0].get<double>() + shift_s;
    out["rows"].push_back(std::move(row));
  }
  return out;
}

}  // namespace qeval
