// dequantize_groups.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/codes-inl.h"
#include "tersor/backend/quantize_kernels.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_DEQUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_DEQUANTIZE_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_DEQUANTIZE_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_DEQUANTIZE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

// values = decode(codes) · scale for one group.
template <class Decode>
HWY_INLINE void dequantize_group(const int8_t* codes, size_t size, VF scale, const Decode& decode,
                                 float* values) {
  const DF df;
  const hn::Rebind<int8_t, DF> d8;
  const auto vector_at = [&](const int8_t* p) HWY_ATTR {
    return hn::Mul(decode(hn::PromoteTo(DI(), hn::LoadU(d8, p))), scale);
  };
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) hn::StoreU(vector_at(codes + i), df, values + i);
  if (i == size) return;
  int8_t padded[kLanes] = {};
  alignas(64) float padded_values[kLanes];
  std::memcpy(padded, codes + i, size - i);
  hn::Store(vector_at(padded), df, padded_values);
  std::memcpy(values + i, padded_values, (size - i) * sizeof(float));
}

void DequantizeGroups(const int8_t* codes, size_t rows, size_t cols, size_t group_size, const CodeSpec& spec,
                      const float* scales, const int8_t* zero_points, float* values) {
  const DF df;
  const size_t groups = rows * (cols / group_size);
  for (size_t g = 0; g < groups; ++g, codes += group_size, values += group_size) {
    const VF scale = hn::Set(df, scales[g]);
    if (spec.kind == CodeKind::kFloat8) {
      dequantize_group(
          codes, group_size, scale, [](VI c) HWY_ATTR { return Float8Coder::decode(c); }, values);
    } else if (spec.kind == CodeKind::kFloat4) {
      dequantize_group(
          codes, group_size, scale, [](VI c) HWY_ATTR { return Float4Coder::decode(c); }, values);
    } else {
      const VI zero_point = hn::Set(DI(), zero_points != nullptr ? zero_points[g] : 0);
      const auto decode = [&](VI c) HWY_ATTR { return hn::ConvertTo(DF(), hn::Sub(c, zero_point)); };
      dequantize_group(codes, group_size, scale, decode, values);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
