#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "qeval/monitor/device_probe.h"

namespace qeval {
namespace {

// The few parts of NVML's stable C interface that are used here (NVML API reference, "Device Queries").
using NvmlDevice = void*;
struct NvmlMemory {
  unsigned long long total, free, used;
};
struct NvmlUtilization {
  unsigned gpu, memory;  // percent
};
struct NvmlProcess {  // nvmlProcessInfo_v2_t
  unsigned pid;
  unsigned long long used;
  unsigned gpu_instance, compute_instance;
};
constexpr int kNvmlSuccess = 0, kSmClock = 1, kMemoryClock = 2, kGpuTemperature = 0;
constexpr unsigned kMaxProcesses = 64;

struct Functions {
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*handle)(unsigned, NvmlDevice*) = nullptr;
  int (*name)(NvmlDevice, char*, unsigned) = nullptr;
  int (*uuid)(NvmlDevice, char*, unsigned) = nullptr;
  int (*memory)(NvmlDevice, NvmlMemory*) = nullptr;
  int (*utilization)(NvmlDevice, NvmlUtilization*) = nullptr;
  // Absent in old drivers or on some devices:
  int (*power)(NvmlDevice, unsigned*) = nullptr;  // milliwatts
  int (*clock)(NvmlDevice, int, unsigned*) = nullptr;  // MHz
  int (*temperature)(NvmlDevice, int, unsigned*) = nullptr;
  int (*throttle)(NvmlDevice, unsigned long long*) = nullptr;
  int (*processes)(NvmlDevice, unsigned*, NvmlProcess*) = nullptr;
};

template <typename F>
bool load(void* library, const char* name, F* function) {
  *function = reinterpret_cast<F>(::dlsym(library, name));
  return *function != nullptr;
}

class Nvml : public DeviceProbe {
 public:
  // Takes an initialised library.
  Nvml(void* library, const Functions& functions) : library_(library), f_(functions) {}
  ~Nvml() override {
    f_.shutdown();
    ::dlclose(library_);
  }

  std::string driver_version() const override {
    char buffer[96] = "";
    return f_.driver_version(buffer, sizeof buffer) == kNvmlSuccess ? buffer : "";
  }

  std::vector<DeviceReading> read() override {
    std::vector<DeviceReading> out;
    unsigned count = 0;
    if (f_.count(&count) != kNvmlSuccess) return out;
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    for (unsigned i = 0; i < count; ++i) {
      NvmlDevice device = nullptr;
      if (f_.handle(i, &device) != kNvmlSuccess) continue;
      DeviceReading reading;
      char buffer[128] = "";
      if (f_.uuid(device, buffer, sizeof buffer) == kNvmlSuccess) reading.uuid = buffer;
      if (!device_is_visible(visible, i, reading.uuid)) continue;
      if (f_.name(device, buffer, sizeof buffer) == kNvmlSuccess) reading.name = buffer;
      NvmlMemory memory{};
      if (f_.memory(device, &memory) != kNvmlSuccess) continue;
      reading.used_bytes = static_cast<int64_t>(memory.used);
      reading.total_bytes = static_cast<int64_t>(memory.total);
      NvmlUtilization utilization{};
      if (f_.utilization(device, &utilization) == kNvmlSuccess) reading.utilisation = utilization.gpu / 100.0;
      unsigned milliwatts = 0;
      if (f_.power && f_.power(device, &milliwatts) == kNvmlSuccess) reading.power_w = milliwatts / 1000.0;
      read_rest(device, reading);
      out.push_back(std::move(reading));
    }
    return out;
  }

 private:
  void read_rest(NvmlDevice device, DeviceReading& reading) const {
    unsigned value = 0;
    if (f_.clock && f_.clock(device, kSmClock, &value) == kNvmlSuccess) reading.sm_clock_mhz = value;
    if (f_.clock && f_.clock(device, kMemoryClock, &value) == kNvmlSuccess) reading.memory_clock_mhz = value;
    if (f_.temperature && f_.temperature(device, kGpuTemperature, &value) == kNvmlSuccess) reading.temperature_c = value;
    unsigned long long reasons = 0;
    if (f_.throttle && f_.throttle(device, &reasons) == kNvmlSuccess) reading.throttle_reasons = reasons;
    NvmlProcess processes[kMaxProcesses];
    unsigned n = kMaxProcesses;
    if (!f_.processes || f_.processes(device, &n, processes) != kNvmlSuccess) return;
    for (unsigned i = 0; i < std::min(n, kMaxProcesses); ++i) reading.process_ids.push_back(static_cast<int>(processes[i].pid));
  }

  void* library_;
  Functions f_;
};

}  // namespace

std::vector<std::string> throttle_names(uint64_t reasons) {
  static constexpr std::pair<uint64_t, const char*> kNames[] = {
      {0x4, "power cap"}, {0x8, "hardware slowdown"}, {0x20, "software thermal"}, {0x40, "hardware thermal"}, {0x80, "power brake"}};
  std::vector<std::string> out;
  for (const auto& [bit, name] : kNames)
    if (reasons & bit) out.emplace_back(name);
  return out;
}

bool device_is_visible(const char* visible_devices, unsigned index, std::string_view uuid) {
  if (!visible_devices) return true;
  std::string_view rest = visible_devices;
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    std::string_view entry = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    while (!entry.empty() && entry.front() == ' ') entry.remove_prefix(1);
    while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
    if (entry.empty()) return false;
    if (entry.find_first_not_of("0123456789") == std::string_view::npos) {
      if (std::to_string(index) == entry) return true;
    } else if (entry.starts_with("GPU-") || entry.starts_with("MIG-")) {
      if (uuid.starts_with(entry)) return true;
    } else {
      return false;
    }
  }
  return false;
}

std::unique_ptr<DeviceProbe> open_nvml(const std::string& library) {
  void* handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!handle) return nullptr;
  Functions f;
  bool complete = load(handle, "nvmlInit_v2", &f.init) && load(handle, "nvmlShutdown", &f.shutdown) &&
                  load(handle, "nvmlSystemGetDriverVersion", &f.driver_version) &&
                  load(handle, "nvmlDeviceGetCount_v2", &f.count) &&
                  load(handle, "nvmlDeviceGetHandleByIndex_v2", &f.handle) &&
                  load(handle, "nvmlDeviceGetName", &f.name) && load(handle, "nvmlDeviceGetUUID", &f.uuid) &&
                  load(handle, "nvmlDeviceGetMemoryInfo", &f.memory) &&
                  load(handle, "nvmlDeviceGetUtilizationRates", &f.utilization);
  load(handle, "nvmlDeviceGetPowerUsage", &f.power);
  load(handle, "nvmlDeviceGetClockInfo", &f.clock);
  load(handle, "nvmlDeviceGetTemperature", &f.temperature);
  if (!load(handle, "nvmlDeviceGetCurrentClocksEventReasons", &f.throttle))
    load(handle, "nvmlDeviceGetCurrentClocksThrottleReasons", &f.throttle);
  if (!load(handle, "nvmlDeviceGetComputeRunningProcesses_v3", &f.processes))
    load(handle, "nvmlDeviceGetComputeRunningProcesses_v2", &f.processes);
  if (!complete || f.init() != kNvmlSuccess) {
    ::dlclose(handle);
    return nullptr;
  }
  auto probe = std::make_unique<Nvml>(handle, f);
  if (probe->read().empty()) return nullptr;
  return probe;
}

}  // namespace qeval
