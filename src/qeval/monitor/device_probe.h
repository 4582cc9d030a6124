#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qeval {

// A GPU at one moment. Memory is that of the whole device, other processes included.
struct DeviceReading {
  std::string name, uuid;
  int64_t used_bytes = 0, total_bytes = 0;
  std::optional<double> utilisation;  // 0..1: share of the last sample period in which a kernel ran
  std::optional<double> power_w;
  std::optional<double> sm_clock_mhz, memory_clock_mhz, temperature_c;
  std::optional<uint64_t> throttle_reasons;  // nvmlClocksThrottleReasons bits
  std::vector<int> process_ids;              // that compute on it, in the driver's numbering
};

// Names of the bits that slow a device down ("power cap", "thermal", …); idle and application settings are left out.
std::vector<std::string> throttle_names(uint64_t reasons);

// Where GPU figures come from. Used by one thread at a time.
class DeviceProbe {
 public:
  virtual ~DeviceProbe() = default;
  virtual std::string driver_version() const = 0;
  // Devices that this process may use (CUDA_VISIBLE_DEVICES), in the driver's order. One that fails is left out.
  virtual std::vector<DeviceReading> read() = 0;
};

// NVIDIA's management library, loaded at run time; null where it, the driver or a device is absent.
std::unique_ptr<DeviceProbe> open_nvml(const std::string& library = "libnvidia-ml.so.1");

// Whether CUDA_VISIBLE_DEVICES (null: not set) admits a device. Numbers count in PCI order, as the driver's tools do;
// as in CUDA, the list ends at its first entry that is neither a number nor a (beginning of a) UUID.
bool device_is_visible(const char* visible_devices, unsigned index, std::string_view uuid);

}  // namespace qeval
