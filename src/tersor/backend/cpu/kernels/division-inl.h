// x / scale, correctly rounded, without a division per element.
//
// With r = RN(1/s) and c = RN((1 - r·s)·r), q = RN(x·r + RN(x·c)) is x/s before one rounding, but for a
// relative error δ < 2^-46. It can differ from RN(x/s) only where x/s is that near to the middle m of two
// floats, and |x/s - m| = |x - m·s| / s, where x - m·s is a multiple of the last places of m (25 bits) and s:
//  - s of at most 11 significant bits (bf16, f16 and E8M0 scales): |x/s - m| > 2^-36·|x/s| > δ, so q is
//  RN(x/s);
//  - any s: q is off by less than one ulp, and Markstein's step q' = RN(q + r·(x - q·s)), whose remainder an
//    fma gives exactly, is RN(x/s) (Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., 4.7).
// Both need x·c and the remainder not to underflow. Within kMinScale..kMaxScale they can only do so where
// |x/s| < 2^-40, far from every code's edge.

#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/elements-inl.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_DIVISION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_DIVISION_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_DIVISION_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_DIVISION_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

constexpr float kMinScale = 0x1p-60f;
constexpr float kMaxScale = 0x1p60f;

// Division by one scale per lane.
struct Divisor {
  VF scale, reciprocal, correction;

  static HWY_INLINE Divisor of(VF scale) {
    const VF one = hn::Set(DF(), 1.0f);
    const VF r = hn::Div(one, scale);
    return {scale, r, hn::Mul(hn::NegMulAdd(r, scale, one), r)};
  }

  // RN(x / scale); kWide: for scales of more than 11 significant bits.
  template <bool kWide>
  HWY_INLINE VF divide(VF x) const {
    const VF q = hn::MulAdd(x, reciprocal, hn::Mul(x, correction));
    if constexpr (!kWide) return q;
    return hn::MulAdd(hn::NegMulAdd(q, scale, x), reciprocal, q);
  }
};

HWY_INLINE bool all_in_range(VF scales) {
  const DF df;
  return hn::AllTrue(df,
                     hn::And(hn::Ge(scales, hn::Set(df, kMinScale)), hn::Le(scales, hn::Set(df, kMaxScale))));
}

HWY_INLINE bool all_narrow(VF scales) {
  const DU du;
  return hn::AllTrue(du, hn::Eq(hn::And(hn::BitCast(du, scales), hn::Set(du, 0x1FFFu)), hn::Zero(du)));
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
