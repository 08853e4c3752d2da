// bf16 as f32: its bits are the upper half.

#include "hwy/highway.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_BF16_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_BF16_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_BF16_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_BF16_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

// D: a tag of f32. `bits`: as many bf16 in order.
template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> widen_bf16(
    D d, hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::Rebind<uint16_t, D>> bits) {
  namespace hn = hwy::HWY_NAMESPACE;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(hn::RebindToUnsigned<D>(), bits)));
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();
#endif
