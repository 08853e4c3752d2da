// The sixteen lanes of lane_sum.h in vectors.

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/elements-inl.h"
#include "tersor/backend/lane_sum.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_SUM_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_SUM_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_SUM_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

// Vectors that hold the lanes: 1, 2 or 4. Named, not an array, so that they stay in registers.
constexpr size_t kSumVectors = kSumLanes / kLanes;

struct LaneSums {
  VF v0, v1, v2, v3;

  static HWY_INLINE LaneSums zero() {
    const VF zero = hn::Zero(DF());
    return {zero, zero, zero, zero};
  }

  // Adds terms(0) to the first N lanes, terms(N) to the next, ….
  template <class Terms>
  HWY_INLINE void add(const Terms& terms) {
    v0 = hn::Add(v0, terms(0));
    if constexpr (kSumVectors > 1) v1 = hn::Add(v1, terms(kLanes));
    if constexpr (kSumVectors > 2) {
      v2 = hn::Add(v2, terms(2 * kLanes));
      v3 = hn::Add(v3, terms(3 * kLanes));
    }
  }

  HWY_INLINE double total() const {
    const DF df;
    alignas(64) float lanes[kSumLanes];
    hn::Store(v0, df, lanes);
    if constexpr (kSumVectors > 1) hn::Store(v1, df, lanes + kLanes);
    if constexpr (kSumVectors > 2) {
      hn::Store(v2, df, lanes + 2 * kLanes);
      hn::Store(v3, df, lanes + 3 * kLanes);
    }
    alignas(32) double fours[4];
    const hn::CappedTag<double, 4> d4;
    const hn::Rebind<float, decltype(d4)> f4;
    for (size_t i = 0; i < 4; i += hn::Lanes(d4)) {
      const auto lane = [&](size_t first)
                            HWY_ATTR { return hn::PromoteTo(d4, hn::Load(f4, lanes + first + i)); };
      hn::Store(hn::Add(hn::Add(lane(0), lane(8)), hn::Add(lane(4), lane(12))), d4, fours + i);
    }
    return (fours[0] + fours[2]) + (fours[1] + fours[3]);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
