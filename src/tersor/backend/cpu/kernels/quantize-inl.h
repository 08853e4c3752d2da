// quantize_groups and quantize_and_measure: weights are one run of groups, since rows and scales are
// contiguous.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/codes-inl.h"
#include "tersor/backend/cpu/kernels/float8_lookup-inl.h"
#include "tersor/backend/cpu/kernels/quantize_batch-inl.h"
#include "tersor/backend/quantize_kernels.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

// The codes of at most kBatch groups; false: leave them to the reference. kLookup: where the CPU has what
// float8_lookup-inl.h needs.
template <typename T, class Coder, bool kMeasured, bool kLookup>
HWY_INLINE bool quantize_some(const T* x, size_t group_size, size_t count, const CodeSpec& spec,
                              const float* scales, const int8_t* zero_points, int8_t* codes, Loss& loss) {
  if constexpr (kLookup && std::is_same_v<T, BFloat16> && std::is_same_v<Coder, Float8Coder>) {
    if (looks_up(scales, count, group_size))
      return quantize_groups_by_lookup<kMeasured>(x, group_size, count, scales, codes, loss);
  }
  Batch batch;
  batch.prepare(scales, zero_points, count, spec);
  if (!batch.in_range) return false;
  return batch.wide ? quantize_batch<T, Coder, true, kMeasured>(x, group_size, count, batch, codes, loss)
                    : quantize_batch<T, Coder, false, kMeasured>(x, group_size, count, batch, codes, loss);
}

template <typename T, class Coder, bool kMeasured, bool kLookup>
void quantize_run(const T* x, DType dtype, size_t group_size, size_t groups, const CodeSpec& spec,
                  const float* scales, const int8_t* zero_points, int8_t* codes, Loss& loss) {
  for (size_t g = 0; g < groups; g += kBatch) {
    const size_t count = std::min(kBatch, groups - g);
    const T* from = x + g * group_size;
    int8_t* to = codes + g * group_size;
    const int8_t* batch_zero_points = zero_points != nullptr ? zero_points + g : nullptr;
    if (!quantize_some<T, Coder, kMeasured, kLookup>(
            from, group_size, count, spec, scales + g, batch_zero_points, to,
            loss)) {  // an element that is not finite, or a scale that no sane weight has
      const WeightView view{reinterpret_cast<const std::byte*>(from), dtype, count, group_size};
      const QuantizeKernels& reference = reference_quantize_kernels();
      if constexpr (kMeasured) {
        reference.quantize_and_measure(view, group_size, spec, scales + g, batch_zero_points, to, &loss.error,
                                       &loss.norm);
      } else {
        reference.quantize_groups(view, group_size, spec, scales + g, batch_zero_points, to);
      }
    }
  }
}

template <bool kMeasured, bool kLookup>
Loss quantize(const WeightView& w, size_t group_size, const CodeSpec& spec, const float* scales,
              const int8_t* zero_points, int8_t* codes) {
  Loss loss;
  visit_weight(w, [&]<typename T>(MatrixView<const T> matrix) {
    const size_t groups = w.rows * (w.cols / group_size);
    const auto run = [&]<class Coder>(Coder) {
      quantize_run<T, Coder, kMeasured, kLookup>(matrix.data, w.dtype, group_size, groups, spec, scales,
                                                 zero_points, codes, loss);
    };
    if (spec.kind == CodeKind::kFloat8) return run(Float8Coder());
    if (spec.kind == CodeKind::kFloat4) return run(Float4Coder());
    return zero_points != nullptr ? run(IntCoder<true>()) : run(IntCoder<false>());
  });
  return loss;
}

template <bool kLookup>
void QuantizeGroups(const WeightView& w, size_t group_size, const CodeSpec& spec, const float* scales,
                    const int8_t* zero_points, int8_t* codes) {
  quantize<false, kLookup>(w, group_size, spec, scales, zero_points, codes);
}

template <bool kLookup>
void QuantizeAndMeasure(const WeightView& w, size_t group_size, const CodeSpec& spec, const float* scales,
                        const int8_t* zero_points, int8_t* codes, double* error, double* norm) {
  const Loss loss = quantize<true, kLookup>(w, group_size, spec, scales, zero_points, codes);
  *error += loss.error;
  *norm += loss.norm;
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
