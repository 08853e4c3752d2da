// Sums in an order that does not depend on the width of the machine's vectors: sixteen lanes, column c adding
// to lane c mod 16, then lane i + lane i+8, i + i+4, i + i+2, i + i+1, in double.
#pragma once

#include <cstddef>

namespace tersor {

constexpr size_t kSumLanes = 16;

template <typename T>
double sum_lanes(const T* lanes) {
  double sums[kSumLanes / 2];
  for (size_t i = 0; i < 8; ++i) sums[i] = double{lanes[i]} + double{lanes[i + 8]};
  for (size_t width = 4; width > 0; width /= 2) {
    for (size_t i = 0; i < width; ++i) sums[i] += sums[i + width];
  }
  return sums[0];
}

}  // namespace tersor
