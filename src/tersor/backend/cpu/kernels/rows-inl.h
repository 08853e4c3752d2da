// Row loops, one vector at a time; the last elements go through a masked load and store.

#include <cstdint>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

#include "tersor/backend/backend.h"
#include "tersor/backend/cpu/kernels/bf16-inl.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_ROWS_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_ROWS_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_ROWS_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {
namespace rows {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// f(vector, index, lanes) for whole vectors, then once for what is left, padded with zeros.
template <typename F>
HWY_INLINE void each(const float* x, size_t n, F&& f) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) f(hn::LoadU(d, x + i), i, lanes);
  if (i < n) {
    HWY_ALIGN float tail[HWY_LANES(float)] = {};
    for (size_t j = i; j < n; ++j) tail[j - i] = x[j];
    f(hn::Load(d, tail), i, n - i);
  }
}

HWY_INLINE V load_some(const float* x, size_t count) {
  const D d;
  if (count == hn::Lanes(d)) return hn::LoadU(d, x);
  HWY_ALIGN float tail[HWY_LANES(float)] = {};
  for (size_t j = 0; j < count; ++j) tail[j] = x[j];
  return hn::Load(d, tail);
}

HWY_INLINE void store_some(V v, float* y, size_t count) {
  const D d;
  if (count == hn::Lanes(d)) {
    hn::StoreU(v, d, y);
    return;
  }
  HWY_ALIGN float tail[HWY_LANES(float)];
  hn::Store(v, d, tail);
  for (size_t j = 0; j < count; ++j) y[j] = tail[j];
}

float Largest(const float* x, size_t n) {
  const D d;
  V largest = hn::Set(d, x[0]);
  each(x, n, [&](V v, size_t, size_t count) {
    largest = hn::IfThenElse(hn::FirstN(d, count), hn::Max(largest, v), largest);
  });
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

float ExpMinus(const float* x, size_t n, float shift, float* y) {
  const D d;
  V total = hn::Zero(d);
  each(x, n, [&](V v, size_t i, size_t count) {
    const V e = hn::Exp(d, hn::Sub(v, hn::Set(d, shift)));
    total = hn::Add(total, hn::IfThenElseZero(hn::FirstN(d, count), e));
    store_some(e, y + i, count);
  });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

void SoftCap(float cap, const float* x, size_t n, float* y) {
  const D d;
  const V c = hn::Set(d, cap), inverse = hn::Set(d, 1 / cap);
  each(x, n, [&](V v, size_t i, size_t count) {
    store_some(hn::Mul(c, hn::Tanh(d, hn::Mul(v, inverse))), y + i, count);
  });
}

struct Silu {
  HWY_INLINE V operator()(V x) const {
    const D d;
    const V one = hn::Set(d, 1.0f);
    // Below -87, exp(-x) overflows f32, and silu(x) is 0 to every digit.
    return hn::Div(x, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(x), hn::Set(d, 87.0f)))));
  }
};
struct GeluTanh {
  HWY_INLINE V operator()(V x) const {
    const D d;
    const V inner = hn::Mul(hn::Set(d, 0.79788456080286535588f),
                            hn::MulAdd(hn::Mul(hn::Set(d, 0.044715f), hn::Mul(x, x)), x, x));
    return hn::Mul(hn::Mul(hn::Set(d, 0.5f), x), hn::Add(hn::Set(d, 1.0f), hn::Tanh(d, inner)));
  }
};
struct Relu {
  HWY_INLINE V operator()(V x) const { return hn::Max(x, hn::Zero(D())); }
};
struct Relu2 {
  HWY_INLINE V operator()(V x) const {
    const V r = hn::Max(x, hn::Zero(D()));
    return hn::Mul(r, r);
  }
};

template <typename F>
HWY_INLINE void activate_with(F&& f, const float* x, const float* up, size_t n, float* y) {
  each(x, n, [&](V v, size_t i, size_t count) {
    const V a = f(v);
    store_some(up == nullptr ? a : hn::Mul(a, load_some(up + i, count)), y + i, count);
  });
}

void Activate(Activation activation, const float* x, const float* up, size_t n, float* y) {
  switch (activation) {
    case Activation::kSilu:
      return activate_with(Silu(), x, up, n, y);
    case Activation::kGeluTanh:
      return activate_with(GeluTanh(), x, up, n, y);
    case Activation::kRelu:
      return activate_with(Relu(), x, up, n, y);
    case Activation::kRelu2:
      return activate_with(Relu2(), x, up, n, y);
    case Activation::kGelu:  // erf has no vector form here; no family of note gates with it
      for (size_t i = 0; i < n; ++i) {
        const auto a = static_cast<float>(activation_value(activation, x[i]));
        y[i] = up == nullptr ? a : a * up[i];
      }
      return;
  }
}

float Sum(const float* x, size_t n) {
  const D d;
  V total = hn::Zero(d);
  each(x, n, [&](V v, size_t, size_t) { total = hn::Add(total, v); });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

float SquaredDistance(const float* x, size_t n, float center) {
  const D d;
  const V c = hn::Set(d, center);
  V total = hn::Zero(d);
  each(x, n, [&](V v, size_t, size_t count) {
    const V difference = hn::IfThenElseZero(hn::FirstN(d, count), hn::Sub(v, c));
    total = hn::MulAdd(difference, difference, total);
  });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

void Normalize(const float* x, size_t n, float center, float factor, const float* weight, float offset,
               const float* bias, float* y) {
  const D d;
  const V c = hn::Set(d, center), f = hn::Set(d, factor), o = hn::Set(d, offset);
  each(x, n, [&](V v, size_t i, size_t count) {
    V r = hn::Mul(hn::Sub(v, c), f);
    r = hn::Mul(r, weight == nullptr ? hn::Set(d, 1.0f + offset) : hn::Add(load_some(weight + i, count), o));
    if (bias != nullptr) r = hn::Add(r, load_some(bias + i, count));
    store_some(r, y + i, count);
  });
}

void ScaleAdd(float a, const float* x, size_t n, float b, float* y) {
  const D d;
  const V va = hn::Set(d, a), vb = hn::Set(d, b);
  each(x, n, [&](V v, size_t i, size_t count) {
    store_some(hn::MulAdd(va, v, hn::Mul(vb, load_some(y + i, count))), y + i, count);
  });
}

float WeightedDifference(const float* weight, const float* x, const float* y, size_t n) {
  const D d;
  V total = hn::Zero(d);
  each(x, n, [&](V v, size_t i, size_t count) {  // weights behind the end are loaded as zeros
    total = hn::MulAdd(load_some(weight + i, count), hn::Sub(v, load_some(y + i, count)), total);
  });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

void ToBf16(const float* x, size_t n, uint16_t* y) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<uint16_t, D> dh;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto bits = hn::BitCast(du, hn::LoadU(d, x + i));
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFu))));
    const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40u));
    const auto nan = hn::RebindMask(du, hn::IsNaN(hn::BitCast(d, bits)));
    hn::StoreU(hn::TruncateTo(dh, hn::IfThenElse(nan, quiet, rounded)), dh, y + i);
  }
  for (; i < n; ++i) y[i] = bfloat16_from(x[i]).bits;
}

void FromBf16(const uint16_t* x, size_t n, float* y) {
  const D d;
  const hn::Rebind<uint16_t, D> dh;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(widen_bf16(d, hn::LoadU(dh, x + i)), d, y + i);
  for (; i < n; ++i) y[i] = to_float(BFloat16{x[i]});
}

}  // namespace rows
}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();
#endif
