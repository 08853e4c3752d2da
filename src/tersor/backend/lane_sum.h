// Sums in an order that does not depend on the width of the machine's vectors.
//
// A row is summed in chunks of 512 columns. Column c of a chunk adds to lane c mod 16 in f32; then the lanes
// add up in double, lane i + lane i+8, i + i+4, i + i+2, i + i+1, and so do chunks and rows one after the
// other. A lane has at most 32 terms, so the sum of a chunk of non-negative terms is good to 32·2^-24.
#pragma once

#include <cstddef>

namespace tersor {

constexpr size_t kSumChunk = 512;
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

// Whether f32 lanes held the squares of a chunk; otherwise it is summed in double. Below 2^-60, squares may
// have underflowed.
inline bool squares_fit_f32(double squared_error, double squared_norm) {
  return squared_norm >= 0x1p-60 && squared_norm <= 0x1p100 && squared_error <= 0x1p100;
}

}  // namespace tersor
