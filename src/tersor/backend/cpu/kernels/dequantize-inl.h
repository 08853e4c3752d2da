// dequantize_groups, two vectors of codes at a time.
//
// fp8 and fp4 codes become f16 by a shift: their exponents are narrower and their biases smaller by 15 - b,
// so the f16 is the value divided by 2^(15 - b), also where it is subnormal.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/elements-inl.h"
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

// What 2N consecutive codes are dequantized with: the first N, and the others.
struct PairScales {
  VF scale0, scale1;
  VI zero_point0, zero_point1;

  // The constants of groups g0 and g1.
  static HWY_INLINE PairScales of(const float* scales, const int8_t* zero_points, size_t g0, size_t g1) {
    const DF df;
    const DI di;
    return {hn::Set(df, scales[g0]), hn::Set(df, scales[g1]),
            hn::Set(di, zero_points != nullptr ? zero_points[g0] : 0),
            hn::Set(di, zero_points != nullptr ? zero_points[g1] : 0)};
  }
};

struct IntDecoder {
  static HWY_INLINE VF decode(const int8_t* codes, VI zero_point) {
    const VI q = hn::PromoteTo(DI(), hn::LoadU(hn::Rebind<int8_t, DF>(), codes));
    return hn::ConvertTo(DF(), hn::Sub(q, zero_point));
  }
  static HWY_INLINE void dequantize(const int8_t* codes, const PairScales& k, float* values) {
    const DF df;
    hn::StoreU(hn::Mul(decode(codes, k.zero_point0), k.scale0), df, values);
    hn::StoreU(hn::Mul(decode(codes + kLanes, k.zero_point1), k.scale1), df, values + kLanes);
  }
};

template <int kMantissaBits, int kBias, int kSignBit>
struct FloatDecoder {
  static HWY_INLINE void dequantize(const int8_t* codes, const PairScales& k, float* values) {
    const DF df;
    const DH dh;
    const hn::Rebind<hwy::float16_t, DF> df16;
    const VH c =
        hn::PromoteTo(dh, hn::LoadU(hn::Rebind<uint8_t, DH>(), reinterpret_cast<const uint8_t*>(codes)));
    const VH magnitude = hn::And(c, hn::Set(dh, kSignBit - 1));
    VH bits = hn::ShiftLeft<10 - kMantissaBits>(magnitude);
    if constexpr (kSignBit == 0x80) {
      bits = hn::IfThenElse(hn::Eq(magnitude, hn::Set(dh, 0x7F)), hn::Set(dh, 0x7E00), bits);  // NaN
    }
    constexpr int kToTop = kSignBit == 0x80 ? 8 : 12;
    bits = hn::Or(bits, hn::And(hn::ShiftLeft<kToTop>(c), hn::Set(dh, 0x8000)));
    const VF unit = hn::Set(df, static_cast<float>(1 << (15 - kBias)));
    const VF low = hn::PromoteTo(df, hn::BitCast(df16, hn::LowerHalf(bits)));
    const VF high = hn::PromoteTo(df, hn::BitCast(df16, hn::UpperHalf(hn::Half<DH>(), bits)));
    hn::StoreU(hn::Mul(hn::Mul(low, unit), k.scale0), df, values);
    hn::StoreU(hn::Mul(hn::Mul(high, unit), k.scale1), df, values + kLanes);
  }
};
using Float8Decoder = FloatDecoder<3, 7, 0x80>;
using Float4Decoder = FloatDecoder<1, 1, 8>;

// `count` codes from the beginning of group g on.
template <class Decoder>
HWY_INLINE void dequantize_run(const int8_t* codes, size_t count, size_t group_size, const float* scales,
                               const int8_t* zero_points, float* values) {
  constexpr size_t kPair = 2 * kLanes;
  size_t i = 0;
  if (group_size == kLanes) {
    for (; i + kPair <= count; i += kPair) {
      const size_t g = i / kLanes;
      Decoder::dequantize(codes + i, PairScales::of(scales, zero_points, g, g + 1), values + i);
    }
  }
  for (size_t g = i / group_size; i < count; ++g) {
    const PairScales k = PairScales::of(scales, zero_points, g, g);
    const size_t end = std::min(count, (g + 1) * group_size);
    for (; i + kPair <= end; i += kPair) Decoder::dequantize(codes + i, k, values + i);
    if (i == end) continue;
    int8_t padded[kPair] = {};
    float padded_values[kPair];
    std::memcpy(padded, codes + i, end - i);
    Decoder::dequantize(padded, k, padded_values);
    std::memcpy(values + i, padded_values, (end - i) * sizeof(float));
    i = end;
  }
}

// Calls f.operator()<Decoder>().
template <class F>
HWY_INLINE void with_decoder(const CodeSpec& spec, const F& f) {
  if (spec.kind == CodeKind::kFloat8) return f.template operator()<Float8Decoder>();
  if (spec.kind == CodeKind::kFloat4) return f.template operator()<Float4Decoder>();
  return f.template operator()<IntDecoder>();
}

void DequantizeGroups(const int8_t* codes, size_t rows, size_t cols, size_t group_size, const CodeSpec& spec,
                      const float* scales, const int8_t* zero_points, float* values) {
  with_decoder(spec, [&]<class Decoder>() {
    dequantize_run<Decoder>(codes, rows * cols, group_size, scales, zero_points, values);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
