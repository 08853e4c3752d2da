// squared_error, summed as lane_sum.h says.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/elements-inl.h"
#include "tersor/backend/cpu/kernels/sum-inl.h"
#include "tersor/backend/lane_sum.h"
#include "tersor/backend/quantize_kernels.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_SQUARED_ERROR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_SQUARED_ERROR_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_SQUARED_ERROR_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_SQUARED_ERROR_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

struct SquaredSums {
  double error, norm;
};

// For chunks whose squares f32 cannot hold.
template <typename T>
HWY_NOINLINE SquaredSums squared_sums_in_double(const T* chunk, const float* values, size_t count) {
  double error_lanes[kSumLanes] = {}, norm_lanes[kSumLanes] = {};
  for (size_t c = 0; c < count; ++c) {
    const double x = to_float(chunk[c]), d = x - double{values[c]};
    error_lanes[c % kSumLanes] += d * d;
    norm_lanes[c % kSumLanes] += x * x;
  }
  return {sum_lanes(error_lanes), sum_lanes(norm_lanes)};
}

// Adds the squares of sixteen elements.
template <typename T>
HWY_INLINE void add_squares(const T* x, const float* values, LaneSums& errors, LaneSums& norms) {
  const auto square = [](VF v) HWY_ATTR { return hn::Mul(v, v); };
  const auto element = [x](size_t at) HWY_ATTR { return Elements<T>::load_vector(x + at); };
  norms.add([&](size_t at) HWY_ATTR { return square(element(at)); });
  errors.add([&](size_t at) HWY_ATTR { return square(hn::Sub(element(at), hn::LoadU(DF(), values + at))); });
}

template <typename T>
HWY_INLINE void add_squared_sums(const T* chunk, const float* values, size_t count, double* error,
                                 double* norm) {
  LaneSums errors = LaneSums::zero(), norms = errors;
  size_t c = 0;
  for (; c + kSumLanes <= count; c += kSumLanes) add_squares(chunk + c, values + c, errors, norms);
  if (c < count) {  // zeros add nothing
    T padded[kSumLanes] = {};
    float padded_values[kSumLanes] = {};
    std::memcpy(padded, chunk + c, (count - c) * sizeof(T));
    std::memcpy(padded_values, values + c, (count - c) * sizeof(float));
    add_squares(padded, padded_values, errors, norms);
  }
  SquaredSums sums{errors.total(), norms.total()};
  if (!squares_fit_f32(sums.error, sums.norm)) sums = squared_sums_in_double(chunk, values, count);
  *error += sums.error;
  *norm += sums.norm;
}

void SquaredError(const WeightView& w, const float* values, double* error, double* norm) {
  visit_weight(w, [&]<typename T>(MatrixView<const T> matrix) {
    for (size_t r = 0; r < w.rows; ++r) {
      for (size_t c = 0; c < w.cols; c += kSumChunk) {
        const size_t at = r * w.cols + c;
        add_squared_sums(matrix.data + at, values + at, std::min(kSumChunk, w.cols - c), error, norm);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
