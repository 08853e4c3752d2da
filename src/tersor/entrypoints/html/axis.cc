#include "tersor/entrypoints/html/axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace tersor::html {

void Range::add(double v) {
  if (!is_drawable(v)) return;
  low = empty() ? v : std::min(low, v);
  high = std::max(high, v);
}

Range Range::padded() const {
  if (empty()) return *this;
  // At most a decade: doubles have a few beyond what is drawable.
  const double margin = std::clamp(0.04 * (std::log(high) - std::log(low)), std::log(1.05), std::log(10.0));
  return {low * std::exp(-margin), high * std::exp(margin)};
}

LogScale::LogScale(Range range, double from, double to)
    : log_low_(std::log(range.low)), log_high_(std::log(range.high)), from_(from), to_(to) {}

double LogScale::operator()(double v) const {
  return from_ + (std::log(v) - log_low_) / (log_high_ - log_low_) * (to_ - from_);
}

std::vector<double> log_ticks(Range range) {
  if (range.empty()) return {};
  const int first = static_cast<int>(std::floor(std::log10(range.low)));
  const int last = static_cast<int>(std::floor(std::log10(range.high)));
  const int stride = std::max(1, (last - first + 7) / 8);
  constexpr std::array<double, 3> kMantissas = {1, 2, 5};
  for (const size_t used : {size_t{1}, kMantissas.size()}) {
    std::vector<double> ticks;
    for (int k = first; k <= last; k += stride) {
      for (const double m : std::span(kMantissas).first(used)) {
        const double tick = m * std::pow(10.0, k);
        if (tick >= range.low && tick <= range.high) ticks.push_back(tick);
      }
    }
    if (ticks.size() >= 3) return ticks;
  }
  // About a decade or less: the largest step of 1, 2 or 5 times a power of ten that gives three.
  for (double power = std::pow(10.0, std::floor(std::log10(range.high)));; power /= 10) {
    for (const double m : {5.0, 2.0, 1.0}) {
      std::vector<double> ticks;
      for (double k = std::ceil(range.low / (m * power)); k * m * power <= range.high; ++k)
        ticks.push_back(k * m * power);
      if (ticks.size() >= 3) return ticks;
    }
  }
}

size_t label_step(size_t count, size_t most) {
  size_t power = 1;
  for (;; power *= 10) {
    for (const size_t m : {1, 2, 5}) {
      if ((count + m * power - 1) / (m * power) <= std::max<size_t>(most, 1)) return m * power;
    }
  }
}

}  // namespace tersor::html
