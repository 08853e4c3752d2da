// The observer `mse` of activations: ranges of static scales by least quantization error.
//
// The reference searches each batch by itself and averages what it finds, so that its result depends on how
// samples are batched and in which order. Here all samples are one set of values, searched once: of p·[min,
// max], p = 1, 1 - 1/grid, …, the range whose error Σ|Q(x) - x|^norm over all of them is least.
// `memoryless_mse`, for which the reference takes the last batch alone, is the same.
#pragma once

#include <span>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_args.h"
#include "tersor/quantization/value_histogram.h"

namespace tersor {

// Whether the observer of these activations is a search for the least error.
bool searches_activations(const QuantizationArgs& args);

// The range for one scale of all values, stored as `scale_dtype`. `range` is theirs, zero inside.
MinMax least_error_range(const QuantizationArgs& args, DType scale_dtype, const MinMax& range,
                         const ValueHistogram& values);

// NVFP4's activations have a scale per group of 16 at run time, and a measured global scale over these, which
// caps them: a group beyond 448 · 6 / global_scale is clipped. The cap is the largest range that the search
// gives to any group: what the group with the largest range would itself choose.
class GroupPeak {
 public:
  explicit GroupPeak(const QuantizationArgs& args);

  // Rows [rows, columns], columns a multiple of the group size. Only groups beyond the peak so far are
  // searched, since no search widens a range: a few of millions, the same result in any order.
  void add(std::span<const float> values, size_t columns);
  void add(const GroupPeak& other);

  float value() const { return peak_; }

 private:
  size_t group_size_;
  MseGrid grid_;
  float peak_ = 0;
};

}  // namespace tersor
