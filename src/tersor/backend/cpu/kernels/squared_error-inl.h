// squared_error: the sixteen lanes of lane_sum.h, in double.

#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/elements-inl.h"
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

using DD = hn::ScalableTag<double>;
using VD = hn::Vec<DD>;
constexpr size_t kDoubles = HWY_LANES(double);

// Lanes in whole vectors.
struct DoubleLanes {
  VD v[kSumLanes / kDoubles];

  HWY_INLINE void clear() {
    for (VD& x : v) x = hn::Zero(DD());
  }
  HWY_INLINE void store(double* to) const {
    for (size_t i = 0; i < kSumLanes / kDoubles; ++i) hn::StoreU(v[i], DD(), to + i * kDoubles);
  }
};

HWY_INLINE void add_square(VD x, VD& sum) { sum = hn::Add(sum, hn::Mul(x, x)); }

template <typename T>
HWY_INLINE void row_squared_error(const T* row, const float* values, size_t cols, double* error,
                                  double* norm) {
  const DD dd;
  DoubleLanes error_lanes, norm_lanes;
  error_lanes.clear();
  norm_lanes.clear();
  size_t c = 0;
  for (; c + kSumLanes <= cols; c += kSumLanes) {
    for (size_t k = 0; k < kSumLanes / kLanes; ++k) {
      const VF x = Elements<T>::load_vector(row + c + k * kLanes);
      const VF y = hn::LoadU(DF(), values + c + k * kLanes);
      const VD x_low = hn::PromoteTo(dd, hn::LowerHalf(x)),
               x_high = hn::PromoteTo(dd, hn::UpperHalf(hn::Half<DF>(), x));
      const VD y_low = hn::PromoteTo(dd, hn::LowerHalf(y)),
               y_high = hn::PromoteTo(dd, hn::UpperHalf(hn::Half<DF>(), y));
      add_square(hn::Sub(x_low, y_low), error_lanes.v[2 * k]);
      add_square(hn::Sub(x_high, y_high), error_lanes.v[2 * k + 1]);
      add_square(x_low, norm_lanes.v[2 * k]);
      add_square(x_high, norm_lanes.v[2 * k + 1]);
    }
  }
  double error_sums[kSumLanes], norm_sums[kSumLanes];
  error_lanes.store(error_sums);
  norm_lanes.store(norm_sums);
  for (; c < cols; ++c) {
    const double x = to_float(row[c]), d = x - double{values[c]};
    error_sums[c % kSumLanes] += d * d;
    norm_sums[c % kSumLanes] += x * x;
  }
  *error += sum_lanes(error_sums);
  *norm += sum_lanes(norm_sums);
}

void SquaredError(const WeightView& w, const float* values, double* error, double* norm) {
  visit_weight(w, [&]<typename T>(MatrixView<const T> matrix) {
    for (size_t r = 0; r < w.rows; ++r) {
      row_squared_error(matrix.data + r * w.cols, values + r * w.cols, w.cols, error, norm);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
