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
#include "tersor/backend/cpu/kernels/sum-inl.h"
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

// What is searched for, and where.
struct Search {
  CodeSpec spec;
  bool symmetric;
  ScaleStorage storage;
  MseGrid grid;
  size_t steps;
  alignas(64) float fraction[kMaxSteps];  // 1 behind the last step

  Search(const CodeSpec& spec_, bool symmetric_, ScaleStorage storage_, const MseGrid& grid_)
      : spec(spec_),
        symmetric(symmetric_),
        storage(storage_),
        grid(grid_),
        steps(static_cast<size_t>(grid_.num_steps())) {
    for (size_t i = 0; i < kMaxSteps; ++i)
      fraction[i] = i < steps ? grid.fraction(static_cast<int>(i)) : 1.0f;
  }
  // What candidates divide by.
  HWY_INLINE ScalesAndZeroPoints scales_of(VF min, VF max) const {
    if (grid.nvfp4_global_scale > 0) {
      const VF global_scale = hn::Set(DF(), grid.nvfp4_global_scale);
      return {hn::Div(nvfp4_scale_value(min, max, storage, global_scale), global_scale), hn::Zero(DF())};
    }
    return range_to_scale(min, max, spec, symmetric, storage);
  }
  // Whether scales can have more than 11 significant bits.
  bool wide() const { return storage == ScaleStorage::kFloat32 || grid.nvfp4_global_scale > 0; }
  // The number of candidates from `first` on that share a vector.
  size_t block_size(size_t first) const { return std::min(kLanes, steps - first); }
};

// The constants of N consecutive candidates.
struct Candidates {
  alignas(64) float scale[kLanes], reciprocal[kLanes], correction[kLanes], zero_point[kLanes];
  alignas(64) float weight[kLanes];  // (scale / unit)^norm

  // Prepares candidates first … first + N - 1 of a range; false: the reference has to do it.
  template <class Power>
  HWY_INLINE bool prepare(const Search& s, size_t first, const MinMax& range, float unit,
                          const Power& power) {
    const DF df;
    const VF p = hn::Load(df, s.fraction + first);
    const VF min = round_to_storage(hn::Mul(hn::Set(df, range.min), p), s.storage);
    const VF max = round_to_storage(hn::Mul(hn::Set(df, range.max), p), s.storage);
    const ScalesAndZeroPoints q = s.scales_of(min, max);
    const Divisor d = Divisor::of(q.scale);
    hn::Store(q.scale, df, scale);
    hn::Store(q.zero_point, df, zero_point);
    hn::Store(d.reciprocal, df, reciprocal);
    hn::Store(d.correction, df, correction);
    const VF ratio = hn::Min(hn::Div(q.scale, hn::Set(df, unit)), hn::Set(df, MsePower::kMax));
    hn::Store(power(ratio), df, weight);
    // Quotients, hence distances, stay below what VectorPower takes.
    const VF amax = hn::Set(df, std::max(-range.min, range.max));
    const VF least = hn::Max(hn::Set(df, kMinMseScale), hn::Mul(amax, hn::Set(df, 0x1p-16f)));
    return hn::AllTrue(df, hn::And(hn::Ge(q.scale, least), hn::Le(q.scale, hn::Set(df, kMaxScale))));
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

// A chunk of a group in f32, padded with zeros to whole steps of sixteen: zeros have no error.
struct Chunk {
  alignas(64) float x[kSumChunk];
  alignas(64) float weights[kSumChunk];
  bool weighted;
  size_t padded_count;

  template <typename T>
  HWY_INLINE void load(const T* elements, const float* importance, size_t count) {
    const DF df;
    padded_count = (count + kSumLanes - 1) / kSumLanes * kSumLanes;
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) hn::Store(Elements<T>::load_vector(elements + i), df, x + i);
    for (; i < padded_count; ++i) x[i] = i < count ? to_float(elements[i]) : 0.0f;
    weighted = importance != nullptr;
    if (!weighted) return;
    std::memcpy(weights, importance, count * sizeof(float));
    std::fill(weights + count, weights + padded_count, 0.0f);
  }
};

// Chunks of rows whose type is known at run time.
struct Source {
  const std::byte* data;
  DType dtype;

  HWY_NOINLINE void load(size_t at, const float* importance, size_t count, Chunk& chunk) const {
    if (dtype == DType::kBF16) {
      chunk.load(reinterpret_cast<const BFloat16*>(data) + at, importance, count);
    } else if (dtype == DType::kF16) {
      chunk.load(reinterpret_cast<const Float16*>(data) + at, importance, count);
    } else {
      chunk.load(reinterpret_cast<const float*>(data) + at, importance, count);
    }
  }
};

// Σ weight · distance^norm over a chunk, for one candidate. kWide: as Divisor.
template <class Coder, int kPower, bool kWide>
struct ChunkError {
  Distance<Coder> distance;
  VectorPower<kPower> power;

  static HWY_INLINE ChunkError of(const Search& s) {
    return {Distance<Coder>::of(s.spec), VectorPower<kPower>::of(MsePower(s.grid.norm))};
  }

  // The distances of N elements for one candidate.
  struct Candidate {
    Divisor divisor;
    VF zero_point;
    static HWY_INLINE Candidate of(const Candidates& c, size_t i) {
      const DF df;
      return {{hn::Set(df, c.scale[i]), hn::Set(df, c.reciprocal[i]), hn::Set(df, c.correction[i])},
              hn::Set(df, c.zero_point[i])};
    }
  };
  HWY_INLINE VF distances(const float* x, const Candidate& c) const {
    return distance(c.divisor.template divide<kWide>(hn::Load(DF(), x)), c.zero_point);
  }
  template <bool kWeighted>
  HWY_INLINE VF terms(VF distances, const float* weights) const {
    const VF e = power(distances);
    if constexpr (!kWeighted) return e;
    return hn::Mul(e, hn::Load(DF(), weights));
  }

  template <bool kWeighted>
  HWY_INLINE void add_chunk(const Chunk& chunk, const Candidates& c, size_t count, double* errors) const {
    for (size_t i = 0; i < count; ++i) {
      const Candidate candidate = Candidate::of(c, i);
      LaneSums sums = LaneSums::zero();
      for (size_t begin = 0; begin < chunk.padded_count; begin += kSumLanes) {
        sums.add([&](size_t lane) HWY_ATTR {
          return terms<kWeighted>(distances(chunk.x + begin + lane, candidate), chunk.weights + begin + lane);
        });
      }
      errors[i] += sums.total();
    }
  }

  // The same for chunks of a single step. Its operations wait for each other, so all candidates go through
  // one stage before the next.
  template <bool kWeighted>
  HWY_INLINE void add_step(const Chunk& chunk, const Candidates& c, size_t count, double* errors) const {
    const DF df;
    alignas(64) float buffer[kLanes * kSumLanes];
    for (size_t i = 0; i < count; ++i) {
      const Candidate candidate = Candidate::of(c, i);
      for (size_t lane = 0; lane < kSumLanes; lane += kLanes) {
        hn::Store(distances(chunk.x + lane, candidate), df, buffer + i * kSumLanes + lane);
      }
    }
    for (size_t at = 0; at < count * kSumLanes; at += kLanes) {
      hn::Store(terms<kWeighted>(hn::Load(df, buffer + at), chunk.weights + at % kSumLanes), df, buffer + at);
    }
    for (size_t i = 0; i < count; ++i) {
      LaneSums sums = LaneSums::zero();
      sums.add([&](size_t lane) HWY_ATTR { return hn::Load(df, buffer + i * kSumLanes + lane); });
      errors[i] += sums.total();
    }
  }

  // Adds the errors of `count` candidates.
  HWY_INLINE void add(const Chunk& chunk, const Candidates& c, size_t count, double* errors) const {
    if (chunk.padded_count == kSumLanes) {
      chunk.weighted ? add_step<true>(chunk, c, count, errors) : add_step<false>(chunk, c, count, errors);
    } else {
      chunk.weighted ? add_chunk<true>(chunk, c, count, errors) : add_chunk<false>(chunk, c, count, errors);
    }
  }
};

// The best range of `size` elements from `at` on; false: the reference has to find it.
template <class Error>
HWY_INLINE bool best_range(const Source& source, size_t at, size_t size, const float* importance,
                           const Search& s, const Error& error, Chunk& chunk, MinMax* out) {
  MinMax range;
  const bool in_one_chunk = size <= kSumChunk;
  if (in_one_chunk) {
    source.load(at, importance, size, chunk);
    range = group_range(chunk.x, chunk.padded_count);
  } else {
    MinmaxGroups({source.data + at * dtype_size(source.dtype), source.dtype, 1, size}, size, &range);
  }
  *out = range;
  if (range.max == std::numeric_limits<float>::infinity() || (range.min == 0 && range.max == 0)) return true;

  const float unit = candidate_scale(range, s.spec, s.symmetric, s.storage, s.grid).scale;
  Candidates candidates;
  double best_error = std::numeric_limits<double>::infinity();
  int stale = 0;
  for (size_t first = 0; first < s.steps; first += kLanes) {
    if (!candidates.prepare(s, first, range, unit, error.power)) return false;
    const size_t count = s.block_size(first);
    double errors[kLanes] = {};
    if (in_one_chunk) {
      error.add(chunk, candidates, count, errors);
    } else {
      for (size_t c = 0; c < size; c += kSumChunk) {
        source.load(at + c, importance != nullptr ? importance + c : nullptr, std::min(kSumChunk, size - c),
                    chunk);
        error.add(chunk, candidates, count, errors);
      }
    }
    for (size_t i = 0; i < count; ++i) {
      const double weighted = errors[i] * double{candidates.weight[i]};
      if (weighted < best_error) {
        best_error = weighted;
        const float p = s.fraction[first + i];
        *out = {tersor::round_to_storage(range.min * p, s.storage),
                tersor::round_to_storage(range.max * p, s.storage)};
        stale = 0;
      } else if (++stale == s.grid.patience) {
        return true;
      }
    }
  }
  return true;
}

template <class Error>
HWY_NOINLINE void best_ranges(const WeightView& w, size_t group_size, const Search& s,
                              const float* importance, MinMax* out) {
  Chunk chunk;
  const Error error = Error::of(s);
  const Source source{w.data, w.dtype};
  const size_t groups = w.cols / group_size;
  for (size_t g = 0; g < w.rows * groups; ++g) {
    const float* weights = importance != nullptr ? importance + g % groups * group_size : nullptr;
    if (!best_range(source, g * group_size, group_size, weights, s, error, chunk, out + g)) {
      const WeightView view{w.data + g * group_size * dtype_size(w.dtype), w.dtype, 1, group_size};
      reference_quantize_kernels().mse_groups(view, group_size, s.spec, s.symmetric, s.storage, s.grid,
                                              weights, out + g);
    }
  }
}

// The errors of a whole grid; false: the reference has to find them.
template <class Error>
HWY_NOINLINE bool grid_errors(const WeightView& w, const MinMax& range, const Search& s, double* errors) {
  Chunk chunk;
  Candidates candidates[kMaxSteps / kLanes];
  double step_errors[kMaxSteps];  // |one quantization step|^norm
  const Error error = Error::of(s);
  for (size_t first = 0; first < s.steps; first += kLanes) {
    Candidates& block = candidates[first / kLanes];
    if (!block.prepare(s, first, range, 1.0f, error.power)) return false;
    for (size_t i = 0; i < s.block_size(first); ++i)
      step_errors[first + i] = power(block.scale[i], s.grid.norm);
  }
  const Source source{w.data, w.dtype};
  for (size_t r = 0; r < w.rows; ++r) {
    double row_errors[kMaxSteps] = {};
    for (size_t c = 0; c < w.cols; c += kSumChunk) {
      source.load(r * w.cols + c, nullptr, std::min(kSumChunk, w.cols - c), chunk);
      for (size_t first = 0; first < s.steps; first += kLanes) {
        error.add(chunk, candidates[first / kLanes], s.block_size(first), row_errors + first);
      }
    }
    for (size_t i = 0; i < s.steps; ++i) errors[i] += step_errors[i] * row_errors[i];
  }
  return true;
}

// Calls f.operator()<ChunkError<…>>().
template <class F>
HWY_INLINE auto with_error(const Search& s, const F& f) {
  const auto with_power = [&]<class Coder, bool kWide>() {
    if (s.grid.norm == 2) return f.template operator()<ChunkError<Coder, 2, kWide>>();
    if (s.grid.norm == 3) return f.template operator()<ChunkError<Coder, 3, kWide>>();
    return f.template operator()<ChunkError<Coder, 0, kWide>>();
  };
  const auto with_coder = [&]<bool kWide>() {
    if (s.spec.kind == CodeKind::kFloat8) return with_power.template operator()<Float8Coder, kWide>();
    if (s.spec.kind == CodeKind::kFloat4) return with_power.template operator()<Float4Coder, kWide>();
    return s.symmetric ? with_power.template operator()<IntCoder<false>, kWide>()
                       : with_power.template operator()<IntCoder<true>, kWide>();
  };
  return s.wide() ? with_coder.template operator()<true>() : with_coder.template operator()<false>();
}

void MseGroups(const WeightView& w, size_t group_size, const CodeSpec& spec, bool symmetric,
               ScaleStorage storage, const MseGrid& grid, const float* importance, MinMax* out) {
  if (grid.num_steps() > static_cast<int>(kMaxSteps)) {
    reference_quantize_kernels().mse_groups(w, group_size, spec, symmetric, storage, grid, importance, out);
    return;
  }
  const Search search(spec, symmetric, storage, grid);
  with_error(search, [&]<class Error>() { best_ranges<Error>(w, group_size, search, importance, out); });
}

void MseGridErrors(const WeightView& w, const MinMax& range, const CodeSpec& spec, bool symmetric,
                   ScaleStorage storage, const MseGrid& grid, double* errors) {
  bool done = false;
  if (grid.num_steps() <= static_cast<int>(kMaxSteps)) {
    const Search search(spec, symmetric, storage, grid);
    done = with_error(search, [&]<class Error>() { return grid_errors<Error>(w, range, search, errors); });
  }
  if (!done) reference_quantize_kernels().mse_grid_errors(w, range, spec, symmetric, storage, grid, errors);
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
