// mse_groups and mse_grid_errors: the whole grid while a group is hot.
//
// A vector's lanes are candidates while scales are computed, then columns while errors are summed, sixteen to
// a step whatever the width of the vectors (lane_sum.h).

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/codes-inl.h"
#include "tersor/backend/cpu/kernels/minmax-inl.h"
#include "tersor/backend/cpu/kernels/scales-inl.h"
#include "tersor/backend/lane_sum.h"
#include "tersor/backend/quantize_kernels.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_MSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_MSE_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_MSE_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_MSE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

// Grids of more steps run the reference.
constexpr size_t kMaxSteps = 256;
// Below, quotients may be inexact (division-inl.h) where they still count.
constexpr float kMinMseScale = 0x1p-24f;

struct Candidates {
  alignas(64) float fraction[kMaxSteps];
  alignas(64) float scale[kMaxSteps], reciprocal[kMaxSteps], correction[kMaxSteps], zero_point[kMaxSteps];
  alignas(64) float weight[kMaxSteps];  // (scale / unit)^norm

  HWY_INLINE void set_grid(const MseGrid& grid) {
    for (size_t i = 0; i < kMaxSteps; ++i)
      fraction[i] = i < static_cast<size_t>(grid.num_steps()) ? grid.fraction(static_cast<int>(i)) : 1.0f;
  }

  // Prepares candidates first … first + kLanes - 1 of a range; false: the reference has to do it.
  template <class Power>
  HWY_INLINE bool prepare(size_t first, const MinMax& range, float unit, const CodeSpec& spec, bool symmetric,
                          ScaleStorage storage, const Power& power) {
    const DF df;
    const VF p = hn::Load(df, fraction + first);
    const VF min = round_to_storage(hn::Mul(hn::Set(df, range.min), p), storage);
    const VF max = round_to_storage(hn::Mul(hn::Set(df, range.max), p), storage);
    const ScalesAndZeroPoints q = range_to_scale(min, max, spec, symmetric, storage);
    const Divisor d = Divisor::of(q.scale);
    hn::Store(q.scale, df, scale + first);
    hn::Store(q.zero_point, df, zero_point + first);
    hn::Store(d.reciprocal, df, reciprocal + first);
    hn::Store(d.correction, df, correction + first);
    hn::Store(power(hn::Div(q.scale, hn::Set(df, unit))), df, weight + first);
    return hn::AllTrue(
        df, hn::And(hn::Ge(q.scale, hn::Set(df, kMinMseScale)), hn::Le(q.scale, hn::Set(df, kMaxScale))));
  }
};

// |round(y) - y|, y = x / scale + zero_point.
template <class Coder>
struct Distance;
template <bool kZeroPoint>
struct Distance<IntCoder<kZeroPoint>> {
  VF qmin, qmax;
  static HWY_INLINE Distance of(const CodeSpec& spec) {
    return {hn::Set(DF(), code_min(spec)), hn::Set(DF(), code_max(spec))};
  }
  HWY_INLINE VF operator()(VF quotient, VF zero_point) const {
    VF y = quotient;
    if constexpr (kZeroPoint) y = hn::Add(y, zero_point);
    return hn::Abs(hn::Sub(hn::Round(hn::Min(hn::Max(y, qmin), qmax)), y));
  }
};
template <int kMantissaBits, int kMinExponent, int kSignBit>
struct Distance<FloatCoder<kMantissaBits, kMinExponent, kSignBit>> {
  using Coder = FloatCoder<kMantissaBits, kMinExponent, kSignBit>;
  static HWY_INLINE Distance of(const CodeSpec&) { return {}; }
  HWY_INLINE VF operator()(VF quotient, VF) const {
    const VF a = hn::Abs(quotient);
    return hn::Abs(hn::Sub(Coder::round(hn::Min(a, hn::Set(DF(), Coder::kLargest))), a));
  }
};

// sum_lanes of a sum kept in vectors.
HWY_INLINE double sum_vectors(const VF* sums) {
  alignas(64) float lanes[kSumLanes];
  for (size_t k = 0; k < kSumLanes / kLanes; ++k) hn::Store(sums[k], DF(), lanes + k * kLanes);
  return sum_lanes(lanes);
}

// The errors of up to kMseChunk columns, padded with zeros to whole steps: zeros have no error.
template <class Coder, int kPower>
struct ChunkError {
  Distance<Coder> distance;
  VectorPower<kPower> power;

  HWY_INLINE double operator()(const float* x, const float* importance, size_t padded_count,
                               const Candidates& c, size_t i) const {
    const DF df;
    const Divisor divisor{hn::Set(df, c.scale[i]), hn::Set(df, c.reciprocal[i]),
                          hn::Set(df, c.correction[i])};
    const VF zero_point = hn::Set(df, c.zero_point[i]);
    VF sums[kSumLanes / kLanes];
    for (VF& sum : sums) sum = hn::Zero(df);
    for (size_t begin = 0; begin < padded_count; begin += kSumLanes) {
      for (size_t k = 0; k < kSumLanes / kLanes; ++k) {
        const size_t at = begin + k * kLanes;
        VF e = power(distance(divisor.template divide<true>(hn::Load(df, x + at)), zero_point));
        if (importance != nullptr) e = hn::Mul(e, hn::Load(df, importance + at));
        sums[k] = hn::Add(sums[k], e);
      }
    }
    return sum_vectors(sums);
  }
};

// A chunk of a group in f32, padded with zeros.
struct Chunk {
  alignas(64) float x[kMseChunk];
  alignas(64) float weights[kMseChunk];
  const float* importance;
  size_t padded_count;

  template <typename T>
  HWY_INLINE void load(const T* elements, const float* importance_, size_t count) {
    const DF df;
    padded_count = (count + kSumLanes - 1) / kSumLanes * kSumLanes;
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) hn::Store(Elements<T>::load_vector(elements + i), df, x + i);
    for (; i < padded_count; ++i) x[i] = i < count ? to_float(elements[i]) : 0.0f;
    importance = nullptr;
    if (importance_ == nullptr) return;
    std::memcpy(weights, importance_, count * sizeof(float));
    std::fill(weights + count, weights + padded_count, 0.0f);
    importance = weights;
  }
};

// What a search over ranges is asked for.
struct Search {
  CodeSpec spec;
  bool symmetric;
  ScaleStorage storage;
  MseGrid grid;
};

// The best range of one group; false: the reference has to find it.
template <typename T, class Coder, int kPower>
HWY_INLINE bool best_range(const T* group, size_t size, const float* importance, const Search& s,
                           const ChunkError<Coder, kPower>& chunk_error, Candidates& candidates, Chunk& chunk,
                           MinMax* out) {
  const MinMax range = group_range(group, size);
  *out = range;
  if (range.max == std::numeric_limits<float>::infinity() || (range.min == 0 && range.max == 0)) return true;
  const float unit = tersor::range_to_scale(range, s.spec, s.symmetric, s.storage).scale;
  if (size <= kMseChunk) chunk.load(group, importance, size);
  double best_error = std::numeric_limits<double>::infinity();
  int best = -1, stale = 0;
  for (int i = 0; i < s.grid.num_steps(); ++i) {
    const auto at = static_cast<size_t>(i);
    if (at % kLanes == 0 &&
        !candidates.prepare(at, range, unit, s.spec, s.symmetric, s.storage, chunk_error.power)) {
      return false;
    }
    double error = 0;
    if (size <= kMseChunk) {
      error += chunk_error(chunk.x, chunk.importance, chunk.padded_count, candidates, at);
    } else {
      for (size_t c = 0; c < size; c += kMseChunk) {
        chunk.load(group + c, importance != nullptr ? importance + c : nullptr,
                   std::min(kMseChunk, size - c));
        error += chunk_error(chunk.x, chunk.importance, chunk.padded_count, candidates, at);
      }
    }
    error *= double{candidates.weight[at]};
    if (error < best_error) {
      best_error = error;
      best = i;
      stale = 0;
    } else if (++stale == s.grid.patience) {
      break;
    }
  }
  if (best >= 0) {
    const float p = s.grid.fraction(best);
    *out = {tersor::round_to_storage(range.min * p, s.storage),
            tersor::round_to_storage(range.max * p, s.storage)};
  }
  return true;
}

template <typename T, class Coder, int kPower>
HWY_NOINLINE void mse_groups_run(const MatrixView<const T>& w, DType dtype, size_t group_size,
                                 const Search& s, const float* importance, MinMax* out) {
  Candidates candidates;
  Chunk chunk;
  candidates.set_grid(s.grid);
  const ChunkError<Coder, kPower> chunk_error{Distance<Coder>::of(s.spec),
                                              VectorPower<kPower>::of(MsePower(s.grid.norm))};
  for (size_t r = 0; r < w.rows; ++r) {
    for (size_t c = 0; c < w.cols; c += group_size, ++out) {
      const T* group = w.data + r * w.cols + c;
      const float* weights = importance != nullptr ? importance + c : nullptr;
      if (!best_range(group, group_size, weights, s, chunk_error, candidates, chunk, out)) {
        const WeightView view{reinterpret_cast<const std::byte*>(group), dtype, 1, group_size};
        reference_quantize_kernels().mse_groups(view, group_size, s.spec, s.symmetric, s.storage, s.grid,
                                                weights, out);
      }
    }
  }
}

template <typename T, class Coder, int kPower>
HWY_NOINLINE bool mse_grid_errors_run(const MatrixView<const T>& w, const MinMax& range, const Search& s,
                                      double* errors) {
  Candidates candidates;
  Chunk chunk;
  candidates.set_grid(s.grid);
  const ChunkError<Coder, kPower> chunk_error{Distance<Coder>::of(s.spec),
                                              VectorPower<kPower>::of(MsePower(s.grid.norm))};
  const auto steps = static_cast<size_t>(s.grid.num_steps());
  double step_errors[kMaxSteps];  // of one quantization step
  for (size_t i = 0; i < steps; ++i) {
    if (i % kLanes == 0 &&
        !candidates.prepare(i, range, 1.0f, s.spec, s.symmetric, s.storage, chunk_error.power)) {
      return false;
    }
    step_errors[i] = power(candidates.scale[i], s.grid.norm);
  }
  for (size_t r = 0; r < w.rows; ++r) {
    double row_errors[kMaxSteps] = {};
    for (size_t c = 0; c < w.cols; c += kMseChunk) {
      chunk.load(w.data + r * w.cols + c, nullptr, std::min(kMseChunk, w.cols - c));
      for (size_t i = 0; i < steps; ++i) {
        row_errors[i] += chunk_error(chunk.x, nullptr, chunk.padded_count, candidates, i);
      }
    }
    for (size_t i = 0; i < steps; ++i) errors[i] += step_errors[i] * row_errors[i];
  }
  return true;
}

// Calls f.operator()<Coder, power>().
template <class F>
HWY_INLINE auto with_coder_and_power(const Search& s, const F& f) {
  const auto with_power = [&]<class Coder>(Coder) {
    if (s.grid.norm == 2) return f.template operator()<Coder, 2>();
    if (s.grid.norm == 3) return f.template operator()<Coder, 3>();
    return f.template operator()<Coder, 0>();
  };
  if (s.spec.kind == CodeKind::kFloat8) return with_power(Float8Coder());
  if (s.spec.kind == CodeKind::kFloat4) return with_power(Float4Coder());
  return s.symmetric ? with_power(IntCoder<false>()) : with_power(IntCoder<true>());
}

void MseGroups(const WeightView& w, size_t group_size, const CodeSpec& spec, bool symmetric,
               ScaleStorage storage, const MseGrid& grid, const float* importance, MinMax* out) {
  if (grid.num_steps() > static_cast<int>(kMaxSteps)) {
    reference_quantize_kernels().mse_groups(w, group_size, spec, symmetric, storage, grid, importance, out);
    return;
  }
  const Search search{spec, symmetric, storage, grid};
  visit_weight(w, [&]<typename T>(MatrixView<const T> matrix) {
    with_coder_and_power(search, [&]<class Coder, int kPower>() {
      mse_groups_run<T, Coder, kPower>(matrix, w.dtype, group_size, search, importance, out);
    });
  });
}

void MseGridErrors(const WeightView& w, const MinMax& range, const CodeSpec& spec, bool symmetric,
                   ScaleStorage storage, const MseGrid& grid, double* errors) {
  const Search search{spec, symmetric, storage, grid};
  const bool done = grid.num_steps() <= static_cast<int>(kMaxSteps) &&
                    visit_weight(w, [&]<typename T>(MatrixView<const T> matrix) {
                      return with_coder_and_power(search, [&]<class Coder, int kPower>() {
                        return mse_grid_errors_run<T, Coder, kPower>(matrix, range, search, errors);
                      });
                    });
  if (!done) reference_quantize_kernels().mse_grid_errors(w, range, spec, symmetric, storage, grid, errors);
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
