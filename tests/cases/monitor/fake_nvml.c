/* Two devices behind NVML's C interface; the environment variable FAKE_NVML_FAILS makes the start fail. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct memory { unsigned long long total, free, used; };
struct utilization { unsigned gpu, memory; };
static int devices[2];

int nvmlInit_v2(void) { return getenv("FAKE_NVML_FAILS") ? 9 : 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char* out, unsigned size) { return snprintf(out, size, "535.104") < 0; }
int nvmlDeviceGetCount_v2(unsigned* n) { return *n = 2, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void** device) { return *device = &devices[i], 0; }
static int index_of(void* device) { return (int)((int*)device - devices); }
int nvmlDeviceGetName(void* device, char* out, unsigned size) { return snprintf(out, size, "Fake GPU %d", index_of(device)) < 0; }
int nvmlDeviceGetUUID(void* device, char* out, unsigned size) { return snprintf(out, size, "GPU-%d000-abc", index_of(device)) < 0; }
int nvmlDeviceGetMemoryInfo(void* device, struct memory* out) {
  out->total = 80ull << 30;
  out->used = (unsigned long long)(index_of(device) + 1) << 30;
  out->free = out->total - out->used;
  return 0;
}
int nvmlDeviceGetUtilizationRates(void* device, struct utilization* out) {
  if (index_of(device) == 1) return 3; /* not supported */
  out->gpu = 50;
  out->memory = 10;
  return 0;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) { return *milliwatts = 100000u * (unsigned)(index_of(device) + 1), 0; }
int nvmlDeviceGetClockInfo(void* device, int type, unsigned* mhz) { return *mhz = (type == 1 ? 1000u : 2000u) + (unsigned)index_of(device), 0; }
int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* celsius) { return *celsius = 60u + (unsigned)index_of(device), sensor; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void* device, unsigned long long* reasons) { return *reasons = index_of(device) ? 0x4 | 0x40 | 0x1 : 0x1, 0; }
struct process { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; };
int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned* n, struct process* out) {
  if (index_of(device) == 1) return 3; /* not supported */
  out[0].pid = (unsigned)getpid();
  out[1].pid = 1;
  return *n = 2, 0;
}
