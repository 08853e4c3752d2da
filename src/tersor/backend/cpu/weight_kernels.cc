// The kernels for bf16 weights of this CPU: one table per SIMD target, chosen at run time.
#include "tersor/backend/cpu/weight_kernels.h"

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tersor/backend/cpu/weight_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#include "tersor/backend/cpu/each_target.h"
#include "tersor/backend/cpu/kernels/bf16_weight-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

const WeightKernels& WeightTable() {
  static const WeightKernels kKernels = {hwy::TargetName(HWY_TARGET), bf16_weight::Multiply};
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tersor {

HWY_EXPORT(WeightTable);

const WeightKernels& cpu_weight_kernels() { return HWY_DYNAMIC_DISPATCH(WeightTable)(); }

std::vector<const WeightKernels*> supported_weight_kernels() { return tables_of_targets(cpu_weight_kernels); }

}  // namespace tersor
#endif
