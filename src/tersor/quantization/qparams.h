// Scales and zero points from observed ranges, rounded to the type they are stored in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_args.h"

namespace tersor {

// One scale per group, as stored, and what quantization divides by.
struct QParams {
  std::vector<float> scales;      // effective: x / scale gives the code
  std::vector<std::byte> stored;  // the bytes of weight_scale, little-endian, in `stored_dtype`
  DType stored_dtype = DType::kBF16;
  std::vector<int8_t> zero_points;  // empty when symmetric
};

// The dtype of weight_scale on disk: args.scale_dtype, else the weight's own.
DType stored_scale_dtype(const QuantizationArgs& args, DType weight_dtype);

// Ranges → qparams (docs/formats.md, "Scales"). `global_scale` is NVFP4's multiplier, 0 when the strategy has
// none.
QParams compute_qparams(const QuantizationArgs& args, DType weight_dtype, std::span<const MinMax> ranges,
                        float global_scale);

// NVFP4's global scale 448·6 / amax, computed in f32; 1 when amax is 0.
float nvfp4_global_scale(float amax);

}  // namespace tersor
