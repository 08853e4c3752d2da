// How the elements of a weight become f32 vectors, and codes become bytes: four vectors (a "quad") at a time.
//
// A quad is 4N consecutive elements, N = lanes of an f32 vector: a[0] and a[1] hold the first 2N of them,
// a[2] and a[3] the others. bf16 splits each 32-bit lane of memory into its even and its odd element, which
// costs one instruction and no shuffle; f16 and f32 stay in order.

#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/bf16-inl.h"
#include "tersor/base/float_types.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_ELEMENTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_ELEMENTS_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_ELEMENTS_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_ELEMENTS_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<DF>;
using DU = hn::RebindToUnsigned<DF>;
using DB = hn::Repartition<int8_t, DF>;
using DH = hn::Repartition<uint16_t, DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;
using VH = hn::Vec<DH>;

constexpr size_t kLanes = HWY_LANES(float);
constexpr size_t kQuad = 4 * kLanes;

struct Quad {
  VF a0, a1, a2, a3;
};
struct IntQuad {
  VI a0, a1, a2, a3;
};

// The low bytes of two vectors of 16-bit lanes, in order.
HWY_INLINE void store_bytes(VH a, VH b, int8_t* out) {
  hn::StoreU(hn::ConcatEven(DB(), hn::BitCast(DB(), b), hn::BitCast(DB(), a)), DB(), out);
}

template <typename T>
struct Elements;

template <>
struct Elements<BFloat16> {
  // Whether a[0] and a[1] hold the even and odd elements of the first 2N.
  static constexpr bool kInterleaved = true;

  static HWY_INLINE void split(const BFloat16* p, VF& even, VF& odd) {
    const DF df;
    const DU du;
    const auto v = hn::BitCast(du, hn::LoadU(DH(), &p->bits));
    even = hn::BitCast(df, hn::ShiftLeft<16>(v));
    odd = hn::BitCast(df, hn::And(v, hn::Set(du, 0xFFFF0000u)));
  }
  static HWY_INLINE Quad load(const BFloat16* p) {
    Quad q;
    split(p, q.a0, q.a1);
    split(p + 2 * kLanes, q.a2, q.a3);
    return q;
  }
  // N elements in order.
  static HWY_INLINE VF load_vector(const BFloat16* p) {
    return widen_bf16(DF(), hn::LoadU(hn::Rebind<uint16_t, DF>(), &p->bits));
  }
  // Stores the low byte of each lane, in the order of the elements.
  static HWY_INLINE void store(const IntQuad& c, int8_t* out) {
#if HWY_CAP_GE512
    const DH d16;
    const auto even = hn::ConcatEven(d16, hn::BitCast(d16, c.a2), hn::BitCast(d16, c.a0));
    const auto odd = hn::ConcatEven(d16, hn::BitCast(d16, c.a3), hn::BitCast(d16, c.a1));
    const auto bytes = hn::Or(hn::And(even, hn::Set(d16, 0xFF)), hn::ShiftLeft<8>(odd));
    hn::StoreU(hn::BitCast(DB(), bytes), DB(), out);
#else
    store_bytes(join(c.a0, c.a1), join(c.a2, c.a3), out);
#endif
  }

 private:
  // 16-bit lanes: even, odd, even, …
  static HWY_INLINE VH join(VI even, VI odd) {
    const DH d16;
    return hn::OddEven(hn::BitCast(d16, hn::ShiftLeft<16>(odd)), hn::BitCast(d16, even));
  }
};

// Types whose quads stay in order.
template <typename T>
struct OrderedElements {
  static constexpr bool kInterleaved = false;

  static HWY_INLINE Quad load(const T* p) {
    return {Elements<T>::load_vector(p), Elements<T>::load_vector(p + kLanes),
            Elements<T>::load_vector(p + 2 * kLanes), Elements<T>::load_vector(p + 3 * kLanes)};
  }
  static HWY_INLINE void store(const IntQuad& c, int8_t* out) {
    store_bytes(low_halves(c.a0, c.a1), low_halves(c.a2, c.a3), out);
  }

 private:
  static HWY_INLINE VH low_halves(VI a, VI b) {
    const DH d16;
    return hn::ConcatEven(d16, hn::BitCast(d16, b), hn::BitCast(d16, a));
  }
};

template <>
struct Elements<Float16> : OrderedElements<Float16> {
  static HWY_INLINE VF load_vector(const Float16* p) {
    const hn::Rebind<hwy::float16_t, DF> d16;
    const auto v = hn::LoadU(hn::Rebind<uint16_t, DF>(), &p->bits);
    return hn::PromoteTo(DF(), hn::BitCast(d16, v));
  }
};

template <>
struct Elements<float> : OrderedElements<float> {
  static HWY_INLINE VF load_vector(const float* p) { return hn::LoadU(DF(), p); }
};

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
