#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "qeval/monitor/device_probe.h"
#include "qeval/util/clock.h"
#include "qeval/util/json.h"

namespace qeval {

struct MonitorSummary {
  double wall_s = 0;           // start() to stop()
  double cpu_s = 0;            // of this process and its children in that time
  double cpu_utilisation = 0;  // cpu_s over wall_s and all usable cores: 0..1
  int64_t peak_rss_bytes = 0;  // resident memory of this process and its children together
  int64_t host_memory_bytes = 0;
  int64_t lowest_host_available_bytes = 0;   // MemAvailable at its lowest
  std::string device_name;                   // "NVIDIA H100 80GB HBM3", "2 × …"; "" without any
  std::optional<int64_t> peak_device_bytes;  // all visible devices together, other processes included
  std::optional<int64_t> device_total_bytes;
  std::optional<double> device_utilisation;  // mean over time and devices, 0..1
  std::optional<double> device_power_w;      // mean over time, devices summed
  std::optional<double> device_energy_j;     // power over time
  std::optional<double> highest_temperature_c, mean_sm_clock_mhz, lowest_sm_clock_mhz;
  std::map<std::string, double> throttled;   // reason → share of the samples
  std::optional<int> foreign_processes;      // most at a time that compute on a visible device and are not of this run
  // {"columns": ["t_s", "rss_bytes", "cpu", "host_available_bytes", "device_bytes", "device_utilisation",
  // "device_power_w", "sm_clock_mhz", "temperature_c", "foreign_processes"], "rows": [...]}: t_s since start, at the end of the interval that a row covers; cpu and device_utilisation 0..1, device
  // figures null without a device. A row holds its interval's highest memory and mean utilisation. At most kMaxRows, in
  // equal steps.
  Json series;
  static constexpr size_t kMaxRows = 1024;
};

// The series of a run that went on in several attempts: rows of `later` after those of `earlier` (null: none), t_s going
// on where the earlier ended; "attempts" holds the index of each attempt's first row.
Json appended_series(const Json& earlier, const Json& later);

// Samples what a run uses from a thread of its own; below 1 % of a core. Looks at this process each period and at its
// children as often as that costs little. start() and stop() from one thread.
class Monitor {
 public:
  Monitor();  // NVML where it is
  // `devices` may be null. `max_rows` of the series: even, at least 2.
  explicit Monitor(std::unique_ptr<DeviceProbe> devices, size_t max_rows = MonitorSummary::kMaxRows);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Process groups whose memory and CPU time count as this process's children: a server that is no child. Before start().
  void watch_groups(std::vector<int> groups) { groups_ = std::move(groups); }
  // Forgets what an earlier start() measured. Periods under 10 ms are taken as 10 ms.
  void start(std::chrono::milliseconds period);
  // A last sample, then all figures. Again, or without start(): the same or an empty summary.
  MonitorSummary stop();

 private:
  struct Row {
    double t_s = 0;
    int64_t rss_bytes = 0;
    double cpu_s = 0;  // in the row's interval
    int64_t host_available_bytes = 0;
    std::optional<int64_t> device_bytes;
    std::optional<double> device_utilisation, device_power_w, sm_clock_mhz, temperature_c, foreign_processes;
  };
  struct Usage {
    int64_t rss_bytes = 0;
    double cpu_s = 0;
  };
  void loop(std::chrono::milliseconds period);
  void sample(bool look_at_children);
  Usage usage(bool look_at_children);
  void read_devices(Row* row);
  void add(const Row& row);
  static Row joined(const Row& first, const Row& second);
  Json series_json() const;
  void summarise();

  void note_device(const DeviceReading& reading, Row* row);
  std::optional<int> foreign(const std::vector<int>& process_ids) const;

  std::unique_ptr<DeviceProbe> devices_;
  std::vector<int> groups_;
  std::set<int> own_processes_;  // at the last look at children
  size_t max_rows_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;  // guarded by mutex_
  // The sampling thread's while it runs, else the caller's:
  SteadyClock::time_point started_{};
  SteadyClock::time_point children_due_{};
  Usage children_;
  double first_cpu_s_ = 0, last_cpu_s_ = 0;
  int64_t first_peak_rss_ = 0;
  size_t samples_per_row_ = 1, samples_in_row_ = 0;
  std::vector<Row> rows_;
  double device_utilisation_sum_ = 0, device_power_sum_ = 0;
  int64_t n_utilisation_ = 0, n_power_ = 0, n_clock_ = 0, n_throttle_ = 0;
  double clock_sum_ = 0, last_energy_s_ = 0, energy_j_ = 0;
  std::map<std::string, int64_t> n_throttled_;
  MonitorSummary summary_;
};

}  // namespace qeval
