// minmax_groups: ranges from the bits of floats, in the lanes they are stored in.
//
// As signed integers, floats >= 0 are ordered like their values and above all negative ones: the signed
// maximum of the bits is the largest element, or negative when there is none. As unsigned integers, negative
// floats are ordered by magnitude and above all others: the unsigned maximum is the smallest element, or
// below the sign bit when there is none. NaNs and infinities are above all finite values in both.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/bf16-inl.h"
#include "tersor/backend/quantize_kernels.h"
#include "tersor/base/float_types.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_MINMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_MINMAX_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_MINMAX_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_MINMAX_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
using Bits = std::conditional_t<sizeof(T) == 2, uint16_t, uint32_t>;

// The range that the two maxima of bits stand for.
template <typename T>
HWY_INLINE MinMax range_from_maxima(Bits<T> signed_max, Bits<T> unsigned_max) {
  constexpr Bits<T> kSign = Bits<T>{1} << (8 * sizeof(T) - 1);
  constexpr Bits<T> kInfinity = std::is_same_v<T, Float16> ? 0x7C00 : sizeof(T) == 2 ? 0x7F80 : 0x7F800000;
  const bool has_positive = signed_max < kSign, has_negative = unsigned_max >= kSign;
  if ((has_positive && signed_max >= kInfinity) || (has_negative && unsigned_max >= (kSign | kInfinity))) {
    return {0, std::numeric_limits<float>::infinity()};
  }
  const auto value = [](Bits<T> bits) { return to_float(std::bit_cast<T>(bits)); };
  // Adding zero gives -0.0 the sign of zero.
  return {has_negative ? value(unsigned_max) + 0.0f : 0.0f, has_positive ? value(signed_max) : 0.0f};
}

// Running maxima of whole vectors.
template <typename T>
struct Maxima {
  using D = hn::ScalableTag<Bits<T>>;
  using DS = hn::RebindToSigned<D>;
  static constexpr size_t kStep = HWY_LANES(Bits<T>);

  hn::Vec<DS> highest;
  hn::Vec<D> lowest;

  static HWY_INLINE Maxima of_zeros() { return {hn::Zero(DS()), hn::Zero(D())}; }
  static HWY_INLINE Maxima of_vector(const T* p) {
    const auto v = hn::LoadU(D(), reinterpret_cast<const Bits<T>*>(p));
    return {hn::BitCast(DS(), v), v};
  }

  HWY_INLINE void add(const T* p) {
    const auto v = hn::LoadU(D(), reinterpret_cast<const Bits<T>*>(p));
    highest = hn::Max(highest, hn::BitCast(DS(), v));
    lowest = hn::Max(lowest, v);
  }
};

// A group of any size.
template <typename T>
HWY_INLINE MinMax group_range(const T* p, size_t size) {
  using M = Maxima<T>;
  M even = M::of_zeros(), odd = even;
  std::make_signed_t<Bits<T>> signed_max = 0;
  Bits<T> unsigned_max = 0;
  if (size >= M::kStep) {
    size_t i = 0;
    for (; i + 2 * M::kStep <= size; i += 2 * M::kStep) {
      even.add(p + i);
      odd.add(p + i + M::kStep);
    }
    if (i + M::kStep <= size) even.add(p + i);
    odd.add(p + size - M::kStep);  // some elements twice
    signed_max = hn::GetLane(hn::MaxOfLanes(typename M::DS(), hn::Max(even.highest, odd.highest)));
    unsigned_max = hn::GetLane(hn::MaxOfLanes(typename M::D(), hn::Max(even.lowest, odd.lowest)));
  } else {
    for (size_t i = 0; i < size; ++i) {
      const auto bits = std::bit_cast<Bits<T>>(p[i]);
      signed_max = std::max(signed_max, std::bit_cast<std::make_signed_t<Bits<T>>>(bits));
      unsigned_max = std::max(unsigned_max, bits);
    }
  }
  return range_from_maxima<T>(static_cast<Bits<T>>(signed_max), unsigned_max);
}

// Lane k of each 128-bit block becomes the maximum of that block of the k-th of eight 16-bit vectors.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V maxima_of_pairs(D d, V a, V b) {
  return hn::Max(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V maxima_of_blocks(D d, const V* v) {
  // Interleaving in this order leaves the lanes in the order of the vectors.
  const V a = maxima_of_pairs(d, maxima_of_pairs(d, v[0], v[4]), maxima_of_pairs(d, v[2], v[6]));
  const V b = maxima_of_pairs(d, maxima_of_pairs(d, v[1], v[5]), maxima_of_pairs(d, v[3], v[7]));
  return maxima_of_pairs(d, a, b);
}

using DS8 = hn::FixedTag<int16_t, 8>;
using DU8 = hn::FixedTag<uint16_t, 8>;

// The maximum of `count` blocks of eight.
template <class D8, typename T>
HWY_INLINE hn::Vec<D8> maximum_of(D8 d, const T* blocks, size_t count) {
  hn::Vec<D8> max = hn::Load(d, blocks);
  for (size_t i = 1; i < count; ++i) max = hn::Max(max, hn::Load(d, blocks + i * 8));
  return max;
}

// The ranges of `count` groups from their maxima; count is a multiple of 8.
template <typename T>
HWY_INLINE void store_ranges(const uint16_t* signed_max, const uint16_t* unsigned_max, size_t count,
                             MinMax* out) {
  const hn::CappedTag<float, 8> df;
  const hn::Rebind<uint16_t, decltype(df)> d16;
  const hn::RebindToSigned<decltype(d16)> ds16;
  using Vector16 = hn::Vec<decltype(d16)>;
  const auto infinity = hn::Set(df, std::numeric_limits<float>::infinity());
  const auto to_float_vector = [&](Vector16 bits) HWY_ATTR {
    if constexpr (std::is_same_v<T, Float16>) {
      return hn::PromoteTo(df, hn::BitCast(hn::Rebind<hwy::float16_t, decltype(df)>(), bits));
    } else {
      return widen_bf16(df, bits);
    }
  };
  for (size_t i = 0; i < count; i += hn::Lanes(df)) {
    // Only maxima of the right sign count; adding zero gives -0.0 the sign of zero.
    const auto high = hn::Max(hn::BitCast(ds16, hn::LoadU(d16, signed_max + i)), hn::Zero(ds16));
    const auto low = hn::BitCast(ds16, hn::LoadU(d16, unsigned_max + i));
    const auto negative = hn::And(low, hn::ShiftRight<15>(low));
    const auto max = to_float_vector(hn::BitCast(d16, high));
    const auto min = hn::Add(to_float_vector(hn::BitCast(d16, negative)), hn::Zero(df));
    if (HWY_LIKELY(hn::AllTrue(df, hn::And(hn::Lt(max, infinity), hn::Lt(hn::Neg(min), infinity))))) {
      hn::StoreInterleaved2(min, max, df, &out[i].min);
    } else {
      for (size_t k = i; k < i + hn::Lanes(df); ++k)
        out[k] = range_from_maxima<T>(signed_max[k], unsigned_max[k]);
    }
  }
}

// Groups of a whole number of 16-bit vectors, eight at a time; or of half a vector, sixteen at a time.
template <typename T>
HWY_INLINE size_t ranges_of_small_groups(const T* p, size_t group_size, size_t groups, MinMax* out) {
  using M = Maxima<T>;
  using D = typename M::D;
  using DS = typename M::DS;
  constexpr size_t kBlocks = M::kStep / 8;
  const size_t vectors = group_size / M::kStep;  // of a group; 0: half of one
  const size_t at_once = vectors > 0 ? 8 : 16;
  size_t g = 0;
  for (; g + at_once <= groups; g += at_once) {
    hn::Vec<DS> highest[8];
    hn::Vec<D> lowest[8];
    for (size_t k = 0; k < 8; ++k) {
      const T* from = p + g * group_size + k * std::max(group_size, M::kStep);
      M m = M::of_vector(from);
      for (size_t i = 1; i < vectors; ++i) m.add(from + i * M::kStep);
      highest[k] = m.highest;
      lowest[k] = m.lowest;
    }
    alignas(64) int16_t high_blocks[M::kStep];
    alignas(64) uint16_t low_blocks[M::kStep];
    hn::Store(maxima_of_blocks(DS(), highest), DS(), high_blocks);
    hn::Store(maxima_of_blocks(D(), lowest), D(), low_blocks);
    const DS8 ds8;
    const DU8 du8;
    alignas(32) uint16_t signed_max[16], unsigned_max[16];
    if (vectors > 0) {
      hn::Store(hn::BitCast(du8, maximum_of(ds8, high_blocks, kBlocks)), du8, signed_max);
      hn::Store(maximum_of(du8, low_blocks, kBlocks), du8, unsigned_max);
    } else {  // the first half of the blocks are those of even groups
      constexpr size_t kHalf = std::max<size_t>(kBlocks / 2, 1);
      const auto high_even = hn::BitCast(du8, maximum_of(ds8, high_blocks, kHalf));
      const auto high_odd = hn::BitCast(du8, maximum_of(ds8, high_blocks + M::kStep / 2, kHalf));
      const auto low_even = maximum_of(du8, low_blocks, kHalf);
      const auto low_odd = maximum_of(du8, low_blocks + M::kStep / 2, kHalf);
      hn::StoreInterleaved2(high_even, high_odd, du8, signed_max);
      hn::StoreInterleaved2(low_even, low_odd, du8, unsigned_max);
    }
    store_ranges<T>(signed_max, unsigned_max, at_once, out + g);
  }
  return g;
}

template <typename T>
void minmax_run(const T* p, size_t group_size, size_t groups, MinMax* out) {
  size_t g = 0;
  if constexpr (sizeof(T) == 2) {
    constexpr size_t kStep = Maxima<T>::kStep;
    if (group_size <= 512 && (group_size % kStep == 0 || (group_size == kStep / 2 && kStep >= 16))) {
      g = ranges_of_small_groups(p, group_size, groups, out);
    }
  }
  for (; g < groups; ++g) out[g] = group_range(p + g * group_size, group_size);
}

void MinmaxGroups(const WeightView& w, size_t group_size, MinMax* out) {
  visit_weight(w, [&]<typename T>(MatrixView<const T> matrix) {
    minmax_run(matrix.data, group_size, w.rows * (w.cols / group_size), out);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
