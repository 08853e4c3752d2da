// Scales and zero points from observed ranges, rounded to the type they are stored in.
//
// They equal those of compressed-tensors 0.19 bit for bit: every operation rounds to the weight's dtype,
// since there the ranges are tensors of that dtype (docs/formats.md, "Scales"). Two deviations, both for F16
// weights, whose exponent is too small: the scales of NVFP4 and of MX formats are computed in f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_args.h"

namespace tersor {

// One scale per group, as stored, and what quantization divides by.
struct QParams {
  std::vector<float> scales;        // effective: x / scale gives the code
  std::vector<std::byte> stored;    // the bytes of weight_scale, little-endian, in stored_scale_dtype()
  std::vector<int8_t> zero_points;  // empty when symmetric
};

// What the kernels need to know of the arguments.
CodeSpec code_spec(const QuantizationArgs& args);

// The dtype of weight_scale on disk: that of NVFP4 and MX, args.scale_dtype, else the weight's own.
DType stored_scale_dtype(const QuantizationArgs& args, DType weight_dtype);

// How the kernels' searches (mse_groups) round the scales that they try: as compute_qparams does, but NVFP4's
// in plain f32, while its global scale still has to follow from what the search finds.
ScaleStorage search_storage(const QuantizationArgs& args, DType weight_dtype);

// The type that the arithmetic before NVFP4's fp8 scale rounds to: bf16 for BF16 weights, else f32.
ScaleStorage nvfp4_storage(DType weight_dtype);

// Ranges → qparams, one for one; `out`'s buffers are reused. `global_scale` is NVFP4's multiplier and has no
// meaning for other strategies. A scale of zero (a group of zeros) becomes the dtype's eps, 0.125 for NVFP4.
void compute_qparams(const QuantizationArgs& args, DType weight_dtype, std::span<const MinMax> ranges,
                     float global_scale, QParams& out);

// Effective scales → the bytes of weight_scale, for int and fp8 weights without a global scale (elsewhere
// what is stored is no rounding of the effective scale).
std::vector<std::byte> store_scales(const QuantizationArgs& args, DType weight_dtype,
                                    std::span<const float> scales);

// Scales as stored → effective scales, one for one: the inverse of `stored` above. `stored` holds
// scales.size() elements of stored_scale_dtype().
void read_scales(const QuantizationArgs& args, DType weight_dtype, std::span<const std::byte> stored,
                 float global_scale, std::span<float> scales);

// NVFP4's global scale 448·6 / amax, the value stored as weight_global_scale: (1/amax)·2688, each step
// rounded to the weight's dtype (F16: f32), amax not below the dtype's smallest normal; 1 where that
// overflows.
float nvfp4_global_scale(float amax, DType weight_dtype);

}  // namespace tersor
