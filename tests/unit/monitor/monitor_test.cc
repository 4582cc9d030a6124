#include "qeval/monitor/monitor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "qeval/monitor/environment.h"
#include "qeval/monitor/usage.h"

namespace qeval {
namespace {

using std::chrono::milliseconds;

class FakeDevices : public DeviceProbe {
 public:
  std::string driver_version() const override { return "1.2"; }
  std::vector<DeviceReading> read() override {
    int64_t n = ++n_reads_;
    if (n == 2) return {};  // a failed reading
    DeviceReading a{"Fake", "GPU-a", (n == 3 ? 7 : 5) * kGib, 80 * kGib, 0.5, 100.0}, b = a;
    b.utilisation = std::nullopt;
    b.power_w = std::nullopt;
    return {a, b};
  }
  static constexpr int64_t kGib = int64_t{1} << 30;

 private:
  std::atomic<int64_t> n_reads_{0};
};

// Waits for what must happen, however slow the machine is.
template <typename F>
void until(F&& condition) {
  while (!condition()) std::this_thread::sleep_for(milliseconds(1));
}

double spin(double cpu_s) {
  volatile double sum = 0;
  std::clock_t end = std::clock() + static_cast<std::clock_t>(cpu_s * CLOCKS_PER_SEC);
  while (std::clock() < end)
    for (int i = 0; i < 1000; ++i) sum = sum + i;
  return sum;
}

TEST(MonitorTest, SeesMemoryAndTimeOfThisProcess) {
  Monitor monitor(nullptr);
  monitor.start(milliseconds(10));
  constexpr size_t kBytes = 64 << 20;
  {
    std::vector<char> block(kBytes);
    for (size_t i = 0; i < kBytes; i += 4096) block[i] = static_cast<char>(i);
    spin(0.15);
  }
  MonitorSummary summary = monitor.stop();
  EXPECT_GT(summary.peak_rss_bytes, static_cast<int64_t>(kBytes));
  EXPECT_GE(summary.cpu_s, 0.1);
  EXPECT_GT(summary.cpu_utilisation, 0);
  EXPECT_LE(summary.cpu_utilisation, 1);
  EXPECT_GE(summary.wall_s, 0.1);
  EXPECT_GT(summary.host_memory_bytes, summary.lowest_host_available_bytes);
  EXPECT_GT(summary.lowest_host_available_bytes, 0);
  EXPECT_FALSE(summary.peak_device_bytes || summary.device_total_bytes || summary.device_utilisation);
  EXPECT_EQ(summary.device_name, "");
  const Json& rows = summary.series.at("rows");
  ASSERT_GE(rows.size(), 2u);
  double before = -1;
  for (const Json& row : rows) {
    ASSERT_EQ(row.size(), summary.series.at("columns").size());
    EXPECT_GE(row[0].get<double>(), before);
    before = row[0].get<double>();
    EXPECT_GT(row[1].get<int64_t>(), 0);
    EXPECT_TRUE(row[4].is_null());
  }
}

TEST(MonitorTest, CountsChildren) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  Monitor monitor(nullptr);
  monitor.start(milliseconds(10));
  constexpr size_t kBytes = 96 << 20;
  pid_t child = ::fork();
  if (child == 0) {
    auto* block = static_cast<volatile char*>(std::malloc(kBytes));
    for (size_t i = 0; i < kBytes; i += 4096) block[i] = static_cast<char>(i + 1);
    spin(0.1);
    char byte = 'y';
    if (::write(fds[1], &byte, 1) == 1) ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(fds[0], &byte, 1), 1);
  MonitorSummary summary = monitor.stop();  // looks at children once more
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(fds[0]);
  ::close(fds[1]);
  EXPECT_GT(summary.peak_rss_bytes, static_cast<int64_t>(kBytes));
  EXPECT_GE(summary.cpu_s, 0.08);
}

TEST(MonitorTest, SumsDevices) {
  Monitor monitor(std::make_unique<FakeDevices>());
  monitor.start(milliseconds(10));
  std::this_thread::sleep_for(milliseconds(100));
  MonitorSummary summary;
  summary = monitor.stop();
  ASSERT_TRUE(summary.peak_device_bytes && summary.device_utilisation && summary.device_power_w);
  EXPECT_GE(*summary.peak_device_bytes, 10 * FakeDevices::kGib);
  EXPECT_EQ(*summary.device_total_bytes, 160 * FakeDevices::kGib);
  EXPECT_DOUBLE_EQ(*summary.device_utilisation, 0.5);
  EXPECT_DOUBLE_EQ(*summary.device_power_w, 100);
  EXPECT_EQ(summary.device_name, "2 × Fake");
}

TEST(MonitorTest, StopsAtOnceAndStartsAnew) {
  Monitor monitor(nullptr);
  EXPECT_TRUE(monitor.stop().series.is_null());
  monitor.start(std::chrono::hours(1));
  MonitorSummary first = monitor.stop();
  EXPECT_EQ(first.series.at("rows").size(), 2u);
  EXPECT_EQ(monitor.stop().wall_s, first.wall_s);
  monitor.start(milliseconds(0));
  monitor.start(std::chrono::hours(1));
  EXPECT_EQ(monitor.stop().series.at("rows").size(), 2u);
}

class CountingDevices : public DeviceProbe {
 public:
  explicit CountingDevices(std::atomic<int64_t>* n) : n_(n) {}
  std::string driver_version() const override { return ""; }
  std::vector<DeviceReading> read() override {
    int64_t n = ++*n_;
    return {{"Fake", "GPU-a", n, 10'000, 0.25, std::nullopt}};
  }

 private:
  std::atomic<int64_t>* n_;
};

TEST(MonitorTest, LongSeriesGetWiderRows) {
  std::atomic<int64_t> n{0};
  Monitor monitor(std::make_unique<CountingDevices>(&n), 8);
  monitor.start(milliseconds(10));
  until([&] { return n > 70; });
  MonitorSummary summary = monitor.stop();
  const Json& rows = summary.series.at("rows");
  EXPECT_LE(rows.size(), 8u);
  EXPECT_GE(rows.size(), 4u);
  EXPECT_EQ(rows[0][4].get<int64_t>() % 16, 0) << "a row joins a power of two of samples, the highest kept";
  EXPECT_EQ(rows.back()[4].get<int64_t>(), n.load()) << "the last sample is in the last row";
  EXPECT_EQ(*summary.peak_device_bytes, n.load());
}

TEST(Devices, VisibilityFollowsCuda) {
  EXPECT_TRUE(device_is_visible(nullptr, 3, "GPU-a"));
  EXPECT_FALSE(device_is_visible("", 0, "GPU-a"));
  EXPECT_TRUE(device_is_visible("2,0", 0, "GPU-a"));
  EXPECT_FALSE(device_is_visible("2,0", 1, "GPU-a"));
  EXPECT_FALSE(device_is_visible("10", 1, "GPU-a"));
  EXPECT_TRUE(device_is_visible("GPU-8932", 1, "GPU-8932f937"));
  EXPECT_FALSE(device_is_visible("GPU-8932", 1, "GPU-7"));
  EXPECT_FALSE(device_is_visible("-1,0", 0, "GPU-a")) << "the list ends at an invalid entry";
  EXPECT_TRUE(device_is_visible(" 0 , 1", 1, ""));
}

TEST(Devices, AbsentLibraryIsFine) { EXPECT_EQ(open_nvml("libnot-there.so.1"), nullptr); }

TEST(Devices, ReadsTheLibrary) {
  std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("fake_nvml_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::string library = (folder / "libfake.so").string();
  std::string command = "cc -shared -fPIC -o " + library + " " QEVAL_SOURCE_DIR "/tests/cases/monitor/fake_nvml.c";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no C compiler at hand";
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  auto probe = open_nvml(library);
  ASSERT_NE(probe, nullptr);
  EXPECT_EQ(probe->driver_version(), "535.104");
  std::vector<DeviceReading> readings = probe->read();
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].name, "Fake GPU 0");
  EXPECT_EQ(readings[1].uuid, "GPU-1000-abc");
  EXPECT_EQ(readings[1].used_bytes, int64_t{2} << 30);
  EXPECT_EQ(readings[0].total_bytes, int64_t{80} << 30);
  EXPECT_EQ(readings[0].utilisation, 0.5);
  EXPECT_FALSE(readings[1].utilisation) << "not supported by this device";
  EXPECT_EQ(readings[1].power_w, 200.0);
  EXPECT_EQ(readings[0].sm_clock_mhz, 1000);
  EXPECT_EQ(readings[1].memory_clock_mhz, 2001);
  EXPECT_EQ(readings[1].temperature_c, 61);
  EXPECT_EQ(throttle_names(*readings[0].throttle_reasons), std::vector<std::string>{}) << "idle is no throttling";
  EXPECT_EQ(throttle_names(*readings[1].throttle_reasons), (std::vector<std::string>{"power cap", "hardware thermal"}));
  EXPECT_EQ(readings[0].process_ids, (std::vector<int>{::getpid(), 1}));
  EXPECT_TRUE(readings[1].process_ids.empty());
  Json environment = read_environment("", probe.get());
  EXPECT_EQ(environment.at("driver"), "535.104");
  EXPECT_EQ(environment.at("gpus").size(), 2u);
  ::setenv("CUDA_VISIBLE_DEVICES", "1", 1);
  EXPECT_EQ(probe->read().size(), 1u);
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  Monitor monitor(std::move(probe));
  monitor.start(milliseconds(10));
  std::this_thread::sleep_for(milliseconds(60));
  MonitorSummary summary = monitor.stop();
  EXPECT_EQ(summary.highest_temperature_c, 61);
  EXPECT_EQ(summary.lowest_sm_clock_mhz, 1000);
  EXPECT_DOUBLE_EQ(*summary.mean_sm_clock_mhz, 1000.5);
  EXPECT_EQ(summary.throttled, (std::map<std::string, double>{{"power cap", 0.5}, {"hardware thermal", 0.5}}));
  EXPECT_EQ(summary.foreign_processes, 1) << "process 1 is none of ours";
  EXPECT_NEAR(*summary.device_energy_j, 300 * summary.wall_s, 300 * 0.05) << "100 W and 200 W";
  Json usage = usage_json(summary, 500);
  EXPECT_NEAR(json_number(usage, "energy_j_per_1000_tokens"), 2 * *summary.device_energy_j, 1e-9);
  ::setenv("FAKE_NVML_FAILS", "1", 1);
  EXPECT_EQ(open_nvml(library), nullptr);
  ::unsetenv("FAKE_NVML_FAILS");
  std::filesystem::remove_all(folder);
}

class Environment : public testing::Test {
 protected:
  Environment()
      : root_((std::filesystem::path(testing::TempDir()) / ("root_" + std::to_string(::getpid()))).string()) {}
  ~Environment() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << content;
  }
  std::string root_;
};

TEST_F(Environment, IsReadFromFiles) {
  write("/etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  write("/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
  write("/proc/cpuinfo",
        "processor\t: 0\nmodel name\t: AMD EPYC 9654\nflags\t\t: fpu avx2 fma avx512f\n\nprocessor\t: 1\nmodel name\t: "
        "other\n");
  write("/sys/devices/system/cpu/online", "0-3,8,10-11\n");
  write("/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
  write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  write("/sys/fs/cgroup/memory.max", "8388608\n");
  Json environment = read_environment(root_, nullptr);
  EXPECT_EQ(environment.at("os"), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(environment.at("kernel"), "6.1.0-18-amd64");
  EXPECT_EQ(environment.at("cpu"), "AMD EPYC 9654");
  EXPECT_EQ(environment.at("cpu_features"), (Json{"avx2", "fma", "avx512f"}));
  EXPECT_EQ(environment.at("cores"), 7);
  EXPECT_EQ(environment.at("usable_cores"), 0.5);
  EXPECT_EQ(environment.at("memory_bytes"), 16384 * 1024);
  EXPECT_EQ(environment.at("memory_limit_bytes"), 8388608);
  EXPECT_TRUE(environment.at("gpus").empty());
}

TEST_F(Environment, NoLimitIsNoLimit) {
  write("/proc/meminfo", "MemTotal:       16384 kB\n");
  write("/sys/fs/cgroup/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/memory.max", "max\n");
  Json environment = read_environment(root_, nullptr);
  EXPECT_GE(environment.at("usable_cores"), 1);
  EXPECT_FALSE(environment.contains("memory_limit_bytes"));
}

TEST_F(Environment, AbsentFilesAreLeftOut) {
  Json environment = read_environment(root_ + "/none", nullptr);
  for (const char* key : {"os", "kernel", "cpu", "cores", "memory_bytes"})
    EXPECT_FALSE(environment.contains(key)) << key;
  Json here = read_environment();
  for (const char* key : {"kernel", "usable_cores", "memory_bytes", "gpus"}) EXPECT_TRUE(here.contains(key)) << key;
}

TEST(AppendedSeries, KeepsEveryAttempt) {
  Json columns = {"t_s", "rss_bytes"};
  Json first = {{"columns", columns}, {"rows", {{0.5, 1}, {1.0, 2}}}}, second = {{"columns", columns}, {"rows", {{0.5, 3}}}};
  Json one = appended_series(Json(), first);
  EXPECT_EQ(one["rows"], first["rows"]);
  Json two = appended_series(one, second);
  EXPECT_EQ(two["rows"], Json({{0.5, 1}, {1.0, 2}, {1.5, 3}}));
  EXPECT_EQ(two["attempts"], Json({0, 2}));
  Json three = appended_series(two, second);
  EXPECT_EQ(three["rows"].back(), Json({2.0, 3}));
  EXPECT_EQ(three["attempts"], Json({0, 2, 3}));
  EXPECT_EQ(appended_series(two, Json()), two) << "an attempt without a series loses nothing";
}

}  // namespace
}  // namespace qeval
