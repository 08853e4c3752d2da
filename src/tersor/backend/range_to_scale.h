// From the range of a group to its scale and zero point, step by step in the arithmetic of the type that
// stores them.
//
// The scale is a / (R/2), a = max(|min|, |max|), when symmetric, and (max - min) / R otherwise, R = qmax -
// qmin (docs/formats.md, "Scales"). Each operation rounds to the stored type, as compressed-tensors does,
// whose scales are tensors of the weight's dtype. E8M0 scales are computed in f32.
#pragma once

#include <cstdint>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/base/float_types.h"

namespace tersor {

// Smallest and largest code value: int b: -2^(b-1) and 2^(b-1) - 1; fp8: ±448; fp4: ±6.
float code_min(const CodeSpec& spec);
float code_max(const CodeSpec& spec);

// x as the nearest value that `storage` holds. kE8M0: x itself, since E8M0 scales are computed in f32.
float round_to_storage(float x, ScaleStorage storage);

struct ScaleAndZeroPoint {
  float scale = 0;
  int zero_point = 0;
};

// The scale and zero point of a range, min <= 0 <= max; the scale is 0 where it
// underflows, and the zero point too where the range is zero.
// Rounded to `storage`, except that kE8M0 gives the exact quotient in f32 (see e8m0_exponent).
ScaleAndZeroPoint exact_scale(const MinMax& range, const CodeSpec& spec, bool symmetric,
                              ScaleStorage storage);

// What replaces a scale of exactly zero: the eps of the stored type.
float zero_scale_replacement(ScaleStorage storage);

// The MX exponent byte e of a group with largest magnitude `amax`: amax rounded to a power of two (a mantissa
// of 1.75 and more goes up), divided by the largest power of two of the element type (fp8: 2^8; fp4: 2^2).
uint8_t e8m0_exponent(float amax, CodeKind kind);

// What NVFP4 stores where a group's scale underflows to zero: compressed-tensors' eps of fp8.
inline constexpr float kNvfp4ZeroScale = 0.125f;

// NVFP4's scale of a group: global_scale · amax / 6 as fp8, where amax / 6 is rounded to `storage`. One of
// zero is replaced by kNvfp4ZeroScale.
Float8E4M3 nvfp4_scale(const MinMax& range, ScaleStorage storage, float global_scale);

// What NVFP4 divides by: nvfp4_scale / global_scale.
float nvfp4_divisor(const MinMax& range, ScaleStorage storage, float global_scale);

// What a search over ranges divides by: range_to_scale, or nvfp4_divisor where the grid has a global scale.
ScaleAndZeroPoint candidate_scale(const MinMax& range, const CodeSpec& spec, bool symmetric,
                                  ScaleStorage storage, const MseGrid& grid);

// What quantization divides by: exact_scale with zero replaced; for kE8M0 2^(e - 127).
ScaleAndZeroPoint range_to_scale(const MinMax& range, const CodeSpec& spec, bool symmetric,
                                 ScaleStorage storage);

}  // namespace tersor
