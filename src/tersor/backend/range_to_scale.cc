// Scales by the rules of compressed-tensors' calculate_qparams.
#include "tersor/backend/range_to_scale.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "tersor/base/float_types.h"

namespace tersor {
namespace {

float amax(const MinMax& range) { return std::max(std::fabs(range.min), range.max); }

}  // namespace

float code_min(const CodeSpec& spec) {
  if (spec.kind == CodeKind::kInt) return -static_cast<float>(1 << (spec.num_bits - 1));
  return -code_max(spec);
}

float code_max(const CodeSpec& spec) {
  if (spec.kind == CodeKind::kFloat8) return kFloat8E4M3Max;
  if (spec.kind == CodeKind::kFloat4) return kFloat4E2M1Max;
  return static_cast<float>((1 << (spec.num_bits - 1)) - 1);
}

float round_to_storage(float x, ScaleStorage storage) {
  if (storage == ScaleStorage::kBFloat16) return to_float(bfloat16_from(x));
  if (storage == ScaleStorage::kFloat16) return to_float(float16_from(x));
  return x;
}

ScaleAndZeroPoint exact_scale(const MinMax& range, const CodeSpec& spec, bool symmetric,
                              ScaleStorage storage) {
  const float qmin = code_min(spec), qmax = code_max(spec);
  if (symmetric) return {round_to_storage(amax(range) / ((qmax - qmin) / 2), storage), 0};
  const float width = round_to_storage(range.max - range.min, storage);
  const float scale = round_to_storage(width / (qmax - qmin), storage);
  if (scale == 0) return {0, range.min < 0 ? static_cast<int>(qmax) : 0};  // as -min / 0 would clamp
  const float steps = round_to_storage(range.min / scale, storage);
  const float zero_point = std::clamp(round_to_storage(qmin - steps, storage), qmin, qmax);
  return {scale, static_cast<int>(std::nearbyint(zero_point))};
}

float zero_scale_replacement(ScaleStorage storage) {
  switch (storage) {
    case ScaleStorage::kFloat32:
      return 0x1p-23f;
    case ScaleStorage::kBFloat16:
      return 0x1p-7f;
    case ScaleStorage::kFloat16:
      return 0x1p-10f;
    case ScaleStorage::kE8M0:
      break;
  }
  return 1;
}

uint8_t e8m0_exponent(float amax, CodeKind kind) {
  // A quarter of a binade added to the bits carries into the exponent from mantissa 1.75 on.
  const uint32_t exponent = (std::bit_cast<uint32_t>(amax) + (1u << 21)) >> 23;
  const uint32_t offset = kind == CodeKind::kFloat8 ? 8 : 2;
  return static_cast<uint8_t>(exponent > offset ? exponent - offset : 0);
}

Float8E4M3 nvfp4_scale(const MinMax& range, ScaleStorage storage, float global_scale) {
  const float local = round_to_storage(amax(range) / kFloat4E2M1Max, storage);
  const Float8E4M3 scale = float8_e4m3_from(global_scale * local);
  return scale.bits == 0 ? float8_e4m3_from(kNvfp4ZeroScale) : scale;
}

float nvfp4_divisor(const MinMax& range, ScaleStorage storage, float global_scale) {
  return to_float(nvfp4_scale(range, storage, global_scale)) / global_scale;
}

ScaleAndZeroPoint range_to_scale(const MinMax& range, const CodeSpec& spec, bool symmetric,
                                 ScaleStorage storage) {
  if (storage == ScaleStorage::kE8M0) {
    return {e8m0_to_float(e8m0_exponent(amax(range), spec.kind)), 0};
  }
  ScaleAndZeroPoint result = exact_scale(range, spec, symmetric, storage);
  if (result.scale == 0) result.scale = zero_scale_replacement(storage);
  return result;
}

ScaleAndZeroPoint candidate_scale(const MinMax& range, const CodeSpec& spec, bool symmetric,
                                  ScaleStorage storage, const MseGrid& grid) {
  if (grid.nvfp4_global_scale > 0) return {nvfp4_divisor(range, storage, grid.nvfp4_global_scale), 0};
  return range_to_scale(range, spec, symmetric, storage);
}

}  // namespace tersor
