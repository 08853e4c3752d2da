// The row kernels of this CPU: one table per SIMD target, chosen at run time.
#include "tersor/backend/cpu/row_kernels.h"

#include "tersor/backend/reference/reference_backend.h"
#include "tersor/base/float_types.h"

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tersor/backend/cpu/row_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

const RowKernels& RowTable() {
  static const RowKernels kKernels = {hwy::TargetName(HWY_TARGET),
                                      rows::Largest,
                                      rows::ExpMinus,
                                      rows::SoftCap,
                                      rows::Activate,
                                      rows::Sum,
                                      rows::SquaredDistance,
                                      rows::Normalize,
                                      rows::ScaleAdd,
                                      rows::WeightedDifference,
                                      rows::ToBf16,
                                      rows::FromBf16};
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tersor {

HWY_EXPORT(RowTable);

const RowKernels& cpu_row_kernels() { return HWY_DYNAMIC_DISPATCH(RowTable)(); }

}  // namespace tersor
#endif
