#pragma once

namespace qeval {

inline constexpr const char* kQevalVersion = "0.1.0";  // as in CMakeLists.txt

}  // namespace qeval
