// Time that has passed, by the clock that is never set.
#pragma once

#include <chrono>

namespace tersor {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace tersor
