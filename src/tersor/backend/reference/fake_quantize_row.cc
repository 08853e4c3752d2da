// Activations as an engine quantizes them at run time, and back: one row.
//
// Dynamic: the scale of a group is max|x| / qmax (asymmetric ints: range / (qmax - qmin), zero included); MX
// takes a power of two as vLLM 0.32 does, NVFP4 rounds to e4m3 under the global scale. Static: the scale is
// given.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "tersor/backend/reference/reference_backend.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

using Kind = ActivationQuantArgs::Kind;

float code_limit(const ActivationQuantArgs& args) {
  if (args.kind == Kind::kFloat8) return kFloat8E4M3Max;
  if (args.kind == Kind::kFloat4) return kFloat4E2M1Max;
  return static_cast<float>((1 << (args.num_bits - 1)) - 1);
}

// The value that x stands for after rounding to a code of this scale.
float round_trip(const ActivationQuantArgs& args, float x, float scale, int zero_point) {
  const float q = x / scale;
  if (args.kind == Kind::kFloat8) return to_float(float8_e4m3_from(q)) * scale;
  if (args.kind == Kind::kFloat4) return float4_e2m1_to_float(float4_e2m1_from(q)) * scale;
  const float high = code_limit(args);
  const float code = std::clamp(std::nearbyintf(q) + static_cast<float>(zero_point), -high - 1, high);
  return (code - static_cast<float>(zero_point)) * scale;
}

// fp8: the least power of two under which the largest element does not exceed the largest code
// (mxfp8_utils.py: ceil(log2(max / 448))). fp4: the exponent of the largest element, its mantissa rounded to
// fp4's one bit, less that of the largest code (tests/quantization/reference_mxfp4.py).
float mx_scale(const ActivationQuantArgs& args, float largest) {
  int exponent = 0;
  if (args.kind == Kind::kFloat8) {
    const float mantissa = std::frexp(largest / kFloat8E4M3Max, &exponent);  // in [½, 1)
    if (mantissa == 0.5f) --exponent;
  } else {
    constexpr uint32_t kHalfOfLastBit = 1u << 21;
    exponent = static_cast<int>((std::bit_cast<uint32_t>(largest) + kHalfOfLastBit) >> 23) - 127 - 2;
  }
  return std::ldexp(1.0f, std::clamp(exponent, -127, 127));
}

void quantize_group(const ActivationQuantArgs& args, const float* x, size_t count, float* y) {
  float scale = args.static_scale;
  int zero_point = args.static_zero_point;
  if (!(scale > 0)) {
    float low = 0, high = 0;
    for (size_t i = 0; i < count; ++i) {
      low = std::min(low, x[i]);
      high = std::max(high, x[i]);
    }
    const float limit = code_limit(args);
    const float largest = std::max(high, -low);
    if (args.kind == Kind::kInt && !args.symmetric) {
      scale = (high - low) / (2 * limit + 1);
      if (scale > 0) {
        zero_point =
            static_cast<int>(std::clamp(std::nearbyintf(-limit - 1 - low / scale), -limit - 1, limit));
      }
    } else if (largest > 0 && args.power_of_two) {
      scale = mx_scale(args, largest);
    } else if (args.global_scale > 0) {
      scale = to_float(float8_e4m3_from(args.global_scale * (largest / limit))) / args.global_scale;
    } else {
      scale = largest / limit;
    }
  }
  for (size_t i = 0; i < count; ++i) y[i] = scale > 0 ? round_trip(args, x[i], scale, zero_point) : 0.0f;
}

}  // namespace

void fake_quantize_row(const ActivationQuantArgs& args, const float* x, size_t cols, float* y) {
  const size_t group = args.group_size > 0 ? args.group_size : cols;
  for (size_t begin = 0; begin < cols; begin += group) {
    quantize_group(args, x + begin, std::min(group, cols - begin), y + begin);
  }
}

}  // namespace tersor
