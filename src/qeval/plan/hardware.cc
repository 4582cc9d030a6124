#include "qeval/plan/hardware.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace qeval {
namespace {

std::string plain(const std::string& text) {
  std::string out;
  for (unsigned char c : text)
    if (std::isalnum(c)) out += static_cast<char>(std::tolower(c));
  return out;
}

Result<double> positive(const std::string& asked, const std::string& field, const char* what) {
  char* end = nullptr;
  double value = std::strtod(field.c_str(), &end);
  if (field.empty() || *end != '\0' || !(value > 0) || value > 1e9)
    return bad_input(fmt::format("--hardware {}: {} “{}” is not a positive number; NAME:MEMORY_GB:BANDWIDTH_GB_S:TFLOPS "
                                 "was expected", asked, what, field));
  return value;
}

Result<Hardware> custom(const std::string& asked) {
  std::vector<std::string> fields(1);
  for (char c : asked) {
    if (c == ':') fields.emplace_back();
    else fields.back() += c;
  }
  if (fields.size() != 4) return bad_input(fmt::format("--hardware {}: NAME:MEMORY_GB:BANDWIDTH_GB_S:TFLOPS was expected", asked));
  QEVAL_TRY(double memory, positive(asked, fields[1], "memory"));
  QEVAL_TRY(double bandwidth, positive(asked, fields[2], "bandwidth"));
  QEVAL_TRY(double tflops, positive(asked, fields[3], "TFLOPS"));
  return Hardware{fields[0], fields[0], memory * 1e9, bandwidth * 1e9, tflops * 1e12, false, "as given"};
}

}  // namespace

const std::vector<Hardware>& known_hardware() {
  static const std::vector<Hardware> table = {
      {"h100", "NVIDIA H100 80 GB (SXM)", 80e9, 3.35e12, 989e12, false, "data sheet"},
      {"h200", "NVIDIA H200 141 GB", 141e9, 4.8e12, 989e12, false, "data sheet"},
      {"a100", "NVIDIA A100 80 GB (SXM)", 80e9, 2.039e12, 312e12, false, "data sheet"},
      {"l40s", "NVIDIA L40S 48 GB", 48e9, 864e9, 362e12, false, "data sheet"},
      {"l4", "NVIDIA L4 24 GB", 24e9, 300e9, 121e12, false, "data sheet"},
      {"rtx4090", "NVIDIA RTX 4090 24 GB", 24e9, 1.008e12, 165e12, false, "data sheet"},
  };
  return table;
}

Result<Hardware> find_hardware(const std::string& asked) {
  if (asked.find(':') != std::string::npos) return custom(asked);
  std::string known;
  for (const Hardware& h : known_hardware()) {
    if (plain(h.id) == plain(asked)) return h;
    known += h.id + ", ";
  }
  return bad_input(fmt::format("--hardware {}: not in the table; known: {}cpu (measured here), auto (the device found), or "
                               "NAME:MEMORY_GB:BANDWIDTH_GB_S:TFLOPS", asked, known));
}

Result<Hardware> hardware_for_device(const std::string& device_name, double memory_bytes) {
  std::string name = plain(device_name);
  // Longer ids first: an L40S is no L4.
  std::vector<Hardware> table = known_hardware();
  std::sort(table.begin(), table.end(), [](const Hardware& a, const Hardware& b) { return a.id.size() > b.id.size(); });
  for (Hardware h : table) {
    if (name.find(h.id) == std::string::npos) continue;
    h.name = device_name;
    if (memory_bytes > 0) h.memory_bytes = memory_bytes;
    return h;
  }
  return fail(ErrorKind::not_found, fmt::format("{}: not in the hardware table; give --hardware NAME:MEMORY_GB:BANDWIDTH_GB_S:TFLOPS", device_name));
}

}  // namespace qeval
