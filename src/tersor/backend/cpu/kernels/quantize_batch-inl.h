// Codes, and what they lose, of a batch of groups: four vectors of elements at a time.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/codes-inl.h"
#include "tersor/backend/quantize_kernels.h"
#include "tersor/backend/range_to_scale.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_BATCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_BATCH_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_BATCH_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_QUANTIZE_BATCH_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

// Groups whose constants are prepared together, N at a time.
constexpr size_t kBatch = 64;
// That of most presets.
constexpr size_t kUsualGroup = 128;
static_assert(kUsualGroup % kQuad == 0);

// The constants of a batch of groups.
struct Batch {
  alignas(64) float scale[kBatch], reciprocal[kBatch], correction[kBatch];
  alignas(64) float low[kBatch], high[kBatch], zero_point[kBatch];
  bool in_range;  // all scales are ones that Divisor takes
  bool wide;      // some scale has more than 11 significant bits

  HWY_INLINE void prepare(const float* scales, const int8_t* zero_points, size_t count,
                          const CodeSpec& spec) {
    const DF df;
    for (size_t i = 0; i < kBatch; ++i) {
      scale[i] = i < count ? scales[i] : 1.0f;
      zero_point[i] = i < count && zero_points != nullptr ? zero_points[i] : 0.0f;
    }
    const VF qmin = hn::Set(df, code_min(spec)), qmax = hn::Set(df, code_max(spec));
    in_range = true;
    wide = false;
    for (size_t i = 0; i < count; i += kLanes) {
      const VF s = hn::Load(df, scale + i), zp = hn::Load(df, zero_point + i);
      in_range = in_range && all_in_range(s);
      wide = wide || !all_narrow(s);
      const Divisor d = Divisor::of(s);
      hn::Store(d.reciprocal, df, reciprocal + i);
      hn::Store(d.correction, df, correction + i);
      hn::Store(hn::Mul(hn::Sub(qmin, zp), s), df, low + i);
      hn::Store(hn::Mul(hn::Sub(qmax, zp), s), df, high + i);
    }
  }

  // The constants of group g in every lane.
  HWY_INLINE Scales of(size_t g) const {
    const DF df;
    return {{hn::Set(df, scale[g]), hn::Set(df, reciprocal[g]), hn::Set(df, correction[g])},
            hn::Set(df, low[g]),
            hn::Set(df, high[g]),
            hn::Set(df, zero_point[g])};
  }
  // Group g in the lower half of the lanes, g + 1 in the upper.
  HWY_INLINE Scales of_two(size_t g) const {
    const Scales a = of(g), b = of(g + 1);
    const DF df;
    const auto halves = [&](VF lower, VF upper) HWY_ATTR { return hn::ConcatUpperLower(df, upper, lower); };
    return {{halves(a.divisor.scale, b.divisor.scale), halves(a.divisor.reciprocal, b.divisor.reciprocal),
             halves(a.divisor.correction, b.divisor.correction)},
            halves(a.low, b.low),
            halves(a.high, b.high),
            halves(a.zero_point, b.zero_point)};
  }
};

// What a run of quads has gone through.
template <bool kMeasured>
struct Tally {
  VF sum;  // of the elements, unless measured: this or the norm stays finite only if they all are
  VF error[2], norm[2];

  static HWY_INLINE Tally of_nothing() {
    const VF zero = hn::Zero(DF());
    return {zero, {zero, zero}, {zero, zero}};
  }

  HWY_INLINE void add(const Quad& x, const Encoded& c0, const Encoded& c1, const Encoded& c2,
                      const Encoded& c3) {
    if constexpr (!kMeasured) {
      sum = hn::Add(sum, hn::Add(hn::Add(x.a0, x.a1), hn::Add(x.a2, x.a3)));
    } else {
      error[0] = hn::MulAdd(c0.residue, c0.residue, error[0]);
      error[1] = hn::MulAdd(c1.residue, c1.residue, error[1]);
      error[0] = hn::MulAdd(c2.residue, c2.residue, error[0]);
      error[1] = hn::MulAdd(c3.residue, c3.residue, error[1]);
      norm[0] = hn::MulAdd(x.a0, x.a0, norm[0]);
      norm[1] = hn::MulAdd(x.a1, x.a1, norm[1]);
      norm[0] = hn::MulAdd(x.a2, x.a2, norm[0]);
      norm[1] = hn::MulAdd(x.a3, x.a3, norm[1]);
    }
  }
  HWY_INLINE void add(const Tally& other) {
    sum = hn::Add(sum, other.sum);
    for (size_t i = 0; i < 2; ++i) {
      error[i] = hn::Add(error[i], other.error[i]);
      norm[i] = hn::Add(norm[i], other.norm[i]);
    }
  }
  HWY_INLINE bool is_finite() const {
    const DF df;
    const VF all = kMeasured ? hn::Add(norm[0], norm[1]) : hn::Abs(sum);
    return hn::AllTrue(df, hn::Lt(all, hn::Set(df, std::numeric_limits<float>::infinity())));
  }
};

HWY_INLINE double sum_of(const VF (&lanes)[2]) {
  alignas(64) float x[kLanes];
  hn::Store(hn::Add(lanes[0], lanes[1]), DF(), x);
  double sum = 0;
  for (float lane : x) sum += double{lane};
  return sum;
}

template <typename T, class Coder, bool kWide, bool kMeasured>
HWY_INLINE void quantize_quad(const T* x, const Scales& k0, const Scales& k1, const Scales& k2,
                              const Scales& k3, int8_t* codes, Tally<kMeasured>& tally) {
  const Quad q = Elements<T>::load(x);
  const Encoded c0 = Coder::template encode<kWide>(q.a0, k0), c1 = Coder::template encode<kWide>(q.a1, k1),
                c2 = Coder::template encode<kWide>(q.a2, k2), c3 = Coder::template encode<kWide>(q.a3, k3);
  tally.add(q, c0, c1, c2, c3);
  Elements<T>::store({c0.code, c1.code, c2.code, c3.code}, codes);
}

// One group of any size: whole quads, then one in a padded buffer.
template <typename T, class Coder, bool kWide, bool kMeasured>
HWY_INLINE void quantize_group(const T* x, size_t size, const Scales& k, int8_t* codes,
                               Tally<kMeasured>& tally) {
  size_t i = 0;
  for (; i + kQuad <= size; i += kQuad) quantize_quad<T, Coder, kWide>(x + i, k, k, k, k, codes + i, tally);
  if (i == size) return;
  T padded[kQuad] = {};
  int8_t padded_codes[kQuad];
  std::memcpy(padded, x + i, (size - i) * sizeof(T));
  quantize_quad<T, Coder, kWide>(padded, k, k, k, k, padded_codes, tally);
  std::memcpy(codes + i, padded_codes, size - i);
}

// One group of kQuads quads: without a loop, which costs groups of 128 a tenth of their time.
template <size_t kQuads, typename T, class Coder, bool kWide, bool kMeasured>
HWY_INLINE void quantize_quads(const T* x, const Scales& k, int8_t* codes, Tally<kMeasured>& tally) {
  if constexpr (kQuads > 0) {
    quantize_quad<T, Coder, kWide>(x, k, k, k, k, codes, tally);
    quantize_quads<kQuads - 1, T, Coder, kWide>(x + kQuad, k, codes + kQuad, tally);
  }
}

// Sums of squares, in double.
struct Loss {
  double error = 0;
  double norm = 0;
};

// Whether all elements were finite: then what they lost counts.
template <bool kMeasured>
HWY_INLINE bool finish(const Tally<kMeasured>& tally, Loss& loss) {
  if (!tally.is_finite()) return false;
  if constexpr (kMeasured) {
    loss.error += sum_of(tally.error);
    loss.norm += sum_of(tally.norm);
  }
  return true;
}

// All groups of a batch; false: do it again some other way. Groups of half or a quarter of a quad go several
// to the quad.
template <typename T, class Coder, bool kWide, bool kMeasured>
HWY_NOINLINE bool quantize_batch(const T* x, size_t group_size, size_t count, const Batch& batch,
                                 int8_t* codes, Loss& loss) {
  Tally<kMeasured> tally = Tally<kMeasured>::of_nothing();
  size_t g = 0;
  if (group_size == 2 * kLanes) {
    for (; g + 2 <= count; g += 2) {
      const Scales k0 = batch.of(g), k1 = batch.of(g + 1);
      quantize_quad<T, Coder, kWide>(x + g * group_size, k0, k0, k1, k1, codes + g * group_size, tally);
    }
  } else if (group_size == kLanes) {
    for (; g + 4 <= count; g += 4) {
      if constexpr (Elements<T>::kInterleaved) {
        const Scales k0 = batch.of_two(g), k1 = batch.of_two(g + 2);
        quantize_quad<T, Coder, kWide>(x + g * group_size, k0, k0, k1, k1, codes + g * group_size, tally);
      } else {
        quantize_quad<T, Coder, kWide>(x + g * group_size, batch.of(g), batch.of(g + 1), batch.of(g + 2),
                                       batch.of(g + 3), codes + g * group_size, tally);
      }
    }
  }
  if (group_size == kUsualGroup) {
    for (; g < count; ++g) {
      quantize_quads<kUsualGroup / kQuad, T, Coder, kWide>(x + g * group_size, batch.of(g),
                                                           codes + g * group_size, tally);
    }
  }
  for (; g < count; ++g) {
    quantize_group<T, Coder, kWide>(x + g * group_size, group_size, batch.of(g), codes + g * group_size,
                                    tally);
  }
  return finish(tally, loss);
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
