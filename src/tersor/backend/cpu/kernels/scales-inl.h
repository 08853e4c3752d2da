// range_to_scale, nvfp4_scale and MsePower for vectors: the same operations in the same order as the scalar
// ones.

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/codes-inl.h"
#include "tersor/backend/cpu/kernels/elements-inl.h"
#include "tersor/backend/mse_power.h"
#include "tersor/backend/range_to_scale.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_SCALES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_SCALES_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_SCALES_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_SCALES_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

HWY_INLINE VF round_to_storage(VF x, ScaleStorage storage) {
  const DF df;
  const DU du;
  if (storage == ScaleStorage::kBFloat16) {
    const VU u = hn::BitCast(du, x);
    const VU lowest_kept = hn::And(hn::ShiftRight<16>(u), hn::Set(du, 1));
    const VU rounded = hn::Add(hn::Add(u, hn::Set(du, 0x7FFF)), lowest_kept);
    return hn::BitCast(df, hn::And(rounded, hn::Set(du, 0xFFFF0000u)));
  }
  if (storage == ScaleStorage::kFloat16)
    return hn::PromoteTo(df, hn::DemoteTo(hn::Rebind<hwy::float16_t, DF>(), x));
  return x;
}

struct ScalesAndZeroPoints {
  VF scale, zero_point;
};

HWY_INLINE VF e8m0_scale(VF amax, CodeKind kind) {
  const DI di;
  const VI power = hn::ShiftRight<23>(hn::Add(hn::BitCast(di, amax), hn::Set(di, 1 << 21)));
  const VI exponent = hn::Max(hn::Sub(power, hn::Set(di, kind == CodeKind::kFloat8 ? 8 : 2)), hn::Zero(di));
  const VI bits =
      hn::IfThenElse(hn::Eq(exponent, hn::Zero(di)), hn::Set(di, 1 << 22), hn::ShiftLeft<23>(exponent));
  return hn::BitCast(DF(), bits);
}

HWY_INLINE ScalesAndZeroPoints range_to_scale(VF min, VF max, const CodeSpec& spec, bool symmetric,
                                              ScaleStorage storage) {
  const DF df;
  const float qmin = code_min(spec), qmax = code_max(spec);
  const VF zero = hn::Zero(df), amax = hn::Max(hn::Abs(min), max);
  if (storage == ScaleStorage::kE8M0) return {e8m0_scale(amax, spec.kind), zero};
  VF scale, zero_point = zero;
  if (symmetric) {
    scale = round_to_storage(hn::Div(amax, hn::Set(df, (qmax - qmin) / 2)), storage);
  } else {
    const VF width = round_to_storage(hn::Sub(max, min), storage), lowest = hn::Set(df, qmin);
    scale = round_to_storage(hn::Div(width, hn::Set(df, qmax - qmin)), storage);
    const VF steps = round_to_storage(hn::Div(min, scale), storage);
    const VF unrounded = round_to_storage(hn::Sub(lowest, steps), storage);
    zero_point = hn::Round(hn::Min(hn::Max(unrounded, lowest), hn::Set(df, qmax)));
    const VF of_zero_scale = hn::IfThenElseZero(hn::Lt(min, zero), hn::Set(df, qmax));
    zero_point = hn::IfThenElse(hn::Eq(scale, zero), of_zero_scale, zero_point);
  }
  return {hn::IfThenElse(hn::Eq(scale, zero), hn::Set(df, zero_scale_replacement(storage)), scale),
          zero_point};
}

// Calls f(min, max, i) for vectors of ranges; the last is padded with zeros.
template <class F>
HWY_INLINE void for_each_vector(const MinMax* ranges, size_t count, const F& f) {
  const DF df;
  MinMax padded[kLanes] = {};
  for (size_t i = 0; i < count; i += kLanes) {
    const bool whole = i + kLanes <= count;
    if (!whole) std::copy(ranges + i, ranges + count, padded);
    VF min, max;
    hn::LoadInterleaved2(df, whole ? &ranges[i].min : &padded[0].min, min, max);
    f(min, max, i);
  }
}

// Stores the lanes that `count` elements at `to` have from i on.
template <class D, class V, typename T>
HWY_INLINE void store_lanes(D d, V v, T* to, size_t i, size_t count) {
  if (i + kLanes <= count) {
    hn::StoreU(v, d, to + i);
  } else {
    T lanes[kLanes];
    hn::StoreU(v, d, lanes);
    std::copy_n(lanes, count - i, to + i);
  }
}

void RangesToScales(const MinMax* ranges, size_t count, const CodeSpec& spec, bool symmetric,
                    ScaleStorage storage, float* scales, int8_t* zero_points) {
  for_each_vector(ranges, count, [&](VF min, VF max, size_t i) HWY_ATTR {
    const ScalesAndZeroPoints q = range_to_scale(min, max, spec, symmetric, storage);
    store_lanes(DF(), q.scale, scales, i, count);
    if (zero_points == nullptr) return;
    const hn::Rebind<int8_t, DF> d8;
    store_lanes(d8, hn::DemoteTo(d8, hn::NearestInt(q.zero_point)), zero_points, i, count);
  });
}

// The value of nvfp4_scale.
HWY_INLINE VF nvfp4_scale_value(VF min, VF max, ScaleStorage storage, VF global_scale) {
  const DF df;
  const VF amax = hn::Max(hn::Abs(min), max);
  const VF local = round_to_storage(hn::Div(amax, hn::Set(df, kFloat4E2M1Max)), storage);
  const VF scale = hn::Min(hn::Mul(global_scale, local), hn::Set(df, kFloat8E4M3Max));
  const VF rounded = Float8Coder::round(scale), replacement = hn::Set(df, kNvfp4ZeroScale);
  return hn::IfThenElse(hn::Eq(rounded, hn::Zero(df)), replacement, rounded);
}

void Nvfp4Scales(const MinMax* ranges, size_t count, ScaleStorage storage, float global_scale,
                 uint8_t* stored, float* scales) {
  const DF df;
  for_each_vector(ranges, count, [&](VF min, VF max, size_t i) HWY_ATTR {
    const VF value = nvfp4_scale_value(min, max, storage, hn::Set(df, global_scale));
    const hn::Rebind<uint8_t, DF> d8;
    const auto codes = hn::TruncateTo(d8, hn::BitCast(DU(), Float8Coder::encode_magnitude(value).code));
    store_lanes(d8, codes, stored, i, count);
    store_lanes(df, hn::Div(value, hn::Set(df, global_scale)), scales, i, count);
  });
}

// MsePower with its tables in registers. kPower: 2 and 3 multiply, 0 is any norm.
template <int kPower>
struct VectorPower {
  VF reciprocal, middle, low, high;
  VF series0, series1, series2, series3;

  static HWY_INLINE VectorPower of(const MsePower& p) {
    const DF df;
    VectorPower v;
    v.reciprocal = table(p.reciprocal);
    v.middle = table(p.middle);
    v.low = table(p.low);
    v.high = table(p.high);
    v.series0 = hn::Set(df, p.series[0]);
    v.series1 = hn::Set(df, p.series[1]);
    v.series2 = hn::Set(df, p.series[2]);
    v.series3 = hn::Set(df, p.series[3]);
    return v;
  }

  // d < 2^17.
  HWY_INLINE VF operator()(VF d) const {
    if constexpr (kPower == 2) return hn::Mul(d, d);
    if constexpr (kPower == 3) return hn::Mul(hn::Mul(d, d), d);
    const DF df;
    const DI di;
    const VI u = hn::BitCast(di, hn::Max(d, hn::Set(df, MsePower::kMin)));
    const VI eighth = hn::ShiftRight<20>(u);
    const VF m = hn::BitCast(df, hn::Or(hn::And(u, hn::Set(di, 0x7FFFFF)), hn::Set(di, 0x3F800000)));
    const VF r = hn::MulSub(m, lookup(reciprocal, eighth), hn::Set(df, 1.0f));
    VF s = hn::MulAdd(r, series3, series2);
    s = hn::MulAdd(s, r, series1);
    s = hn::MulAdd(s, r, series0);
    const VF power_of_two = hn::Mul(lookup(low, hn::ShiftRight<23>(u)), lookup(high, hn::ShiftRight<26>(u)));
    return hn::Mul(hn::Mul(s, lookup(middle, eighth)), power_of_two);
  }

 private:
  static HWY_INLINE VF table(const std::array<float, 8>& entries) {
    alignas(64) float lanes[kLanes];
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = entries[i % 8];
    return hn::Load(DF(), lanes);
  }
  // The entry (index mod 8) of a table: the hardware drops higher bits of an index, Highway's checks do not.
  static HWY_INLINE VF lookup(VF entries, VI index) {
    if constexpr (HWY_IS_DEBUG_BUILD) index = hn::And(index, hn::Set(DI(), 7));
    return hn::TableLookupLanes(entries, hn::IndicesFromVec(DF(), index));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
