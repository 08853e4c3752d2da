// The solver kernels of this CPU: one table per SIMD target, chosen at run time.
#include "tersor/backend/cpu/solve_kernels.h"

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tersor/backend/cpu/solve_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#if HWY_NATIVE_FMA
#include "tersor/backend/cpu/kernels/solve-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

const SolveKernels* SolveTable() {
#if HWY_NATIVE_FMA
  static const SolveKernels kKernels = {hwy::TargetName(HWY_TARGET), solve::SolveColumns, solve::AddProducts,
                                        solve::RowRange};
  return &kKernels;
#else
  return nullptr;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tersor {

HWY_EXPORT(SolveTable);

const SolveKernels* cpu_solve_kernels() { return HWY_DYNAMIC_DISPATCH(SolveTable)(); }

}  // namespace tersor
#endif
