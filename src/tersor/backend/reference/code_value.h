// One number to its code and back, as the reference has it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/backend/range_to_scale.h"
#include "tersor/base/float_types.h"

namespace tersor {

// The code of y = x / scale + zero_point. The sign of an fp code is that of x, and -0.0 has none.
inline int8_t encode(float x, float y, const CodeSpec& spec) {
  if (spec.kind == CodeKind::kInt) {
    if (std::isnan(y)) return 0;
    return static_cast<int8_t>(std::nearbyint(std::clamp(y, code_min(spec), code_max(spec))));
  }
  const bool is_float8 = spec.kind == CodeKind::kFloat8;
  if (std::isnan(y)) return is_float8 ? 0x7F : 7;
  const float magnitude = std::fabs(y);
  if (is_float8) return static_cast<int8_t>(float8_e4m3_from(magnitude).bits | (x < 0 ? 0x80 : 0));
  return static_cast<int8_t>(float4_e2m1_from(magnitude) | (x < 0 ? 8 : 0));
}

inline float decode(int8_t code, const CodeSpec& spec, int zero_point) {
  if (spec.kind == CodeKind::kFloat8) return to_float(Float8E4M3{static_cast<uint8_t>(code)});
  if (spec.kind == CodeKind::kFloat4) return float4_e2m1_to_float(static_cast<uint8_t>(code));
  return static_cast<float>(code - zero_point);
}

}  // namespace tersor
