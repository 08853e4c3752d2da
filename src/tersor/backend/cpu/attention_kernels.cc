// The attention kernels of this CPU: one table per SIMD target, chosen at run time.
#include "tersor/backend/cpu/attention_kernels.h"

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tersor/backend/cpu/attention_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#include "tersor/backend/cpu/each_target.h"
#include "tersor/backend/cpu/kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

const AttentionKernels& AttentionTable() {
  static const AttentionKernels kKernels = {hwy::TargetName(HWY_TARGET), attention::AddKeys};
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tersor {

HWY_EXPORT(AttentionTable);

const AttentionKernels& cpu_attention_kernels() { return HWY_DYNAMIC_DISPATCH(AttentionTable)(); }

std::vector<const AttentionKernels*> supported_attention_kernels() {
  return tables_of_targets(cpu_attention_kernels);
}

}  // namespace tersor
#endif
