// The kernels of this CPU: one table per SIMD target, chosen at run time.
#include "tersor/backend/quantize_kernels.h"

#include <algorithm>

// Targets with fused multiply-add, which the division needs; older CPUs run the reference. AVX3_DL and the
// others add nothing that the kernels use.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tersor/backend/cpu/quantize_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#if HWY_NATIVE_FMA
#include "tersor/backend/cpu/each_target.h"
#include "tersor/backend/cpu/kernels/dequantize-inl.h"
#include "tersor/backend/cpu/kernels/minmax-inl.h"
#include "tersor/backend/cpu/kernels/mse-inl.h"
#include "tersor/backend/cpu/kernels/pack-inl.h"
#include "tersor/backend/cpu/kernels/quantize-inl.h"
#include "tersor/backend/cpu/kernels/scales-inl.h"
#include "tersor/backend/cpu/kernels/squared_error-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

const QuantizeKernels& Table() {
#if HWY_NATIVE_FMA
  static const QuantizeKernels kKernels = [] {
    QuantizeKernels k = reference_quantize_kernels();
    k.name = hwy::TargetName(HWY_TARGET);
    k.minmax_groups = MinmaxGroups;
    k.mse_groups = MseGroups;
    k.mse_grid_errors = MseGridErrors;
    k.ranges_to_scales = RangesToScales;
    k.nvfp4_scales = Nvfp4Scales;
    k.quantize_groups = QuantizeGroups<false>;
    k.quantize_and_measure = QuantizeAndMeasure<false>;
    k.dequantize_groups = DequantizeGroups;
    k.pack_row = PackRow;
    k.unpack_row = UnpackRow;
    k.pack_nibbles = PackNibbles;
    k.unpack_nibbles = UnpackNibbles;
    k.squared_error = SquaredError;
    return k;
  }();
  return kKernels;
#else
  return reference_quantize_kernels();
#endif
}

// Table, with fp8 codes looked up where this CPU can.
const QuantizeKernels& BestTable() {
#if HWY_TARGET == HWY_AVX3
  if (has_float8_lookup()) {
    static const QuantizeKernels kKernels = [] {
      QuantizeKernels k = Table();
      k.name = "AVX3_VBMI_BF16";
      k.quantize_groups = QuantizeGroups<true>;
      k.quantize_and_measure = QuantizeAndMeasure<true>;
      return k;
    }();
    return kKernels;
  }
#endif
  return Table();
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tersor {

HWY_EXPORT(Table);
HWY_EXPORT(BestTable);

const QuantizeKernels& cpu_quantize_kernels() { return HWY_DYNAMIC_DISPATCH(BestTable)(); }

std::vector<const QuantizeKernels*> supported_quantize_kernels() {
  std::vector<const QuantizeKernels*> tables = {&reference_quantize_kernels()};
  each_supported_target([&] {
    for (const QuantizeKernels* table :
         {&HWY_DYNAMIC_DISPATCH(Table)(), &HWY_DYNAMIC_DISPATCH(BestTable)()}) {
      if (std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
    }
  });
  return tables;
}

}  // namespace tersor
#endif
