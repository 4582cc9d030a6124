#pragma once

#include <functional>
#include <string_view>

namespace qeval {

// Samples of Prometheus' text format, "name{labels} value [time]", in order: `take(name, value)`, the value finite. Lines
// that are no sample (comments, anything broken) are passed over. Any bytes.
void for_each_metric(std::string_view text, const std::function<void(std::string_view name, double value)>& take);

}  // namespace qeval
