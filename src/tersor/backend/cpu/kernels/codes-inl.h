// Real numbers to codes, for vectors of f32.
//
// fp8 (e4m3) and fp4 (e2m1) are one algorithm with m = 3 or 1 mantissa bits and least exponent e0 = -6 or 0.
// A magnitude a of exponent e >= e0 (smaller ones count as e0) lies on a grid of spacing 2^(e - m). Adding M
// = 2^(e - m + 23) makes the f32 adder round a to that grid, half to even, and leaves the number n of
// spacings in the low bits of the sum; the code is n + (e - e0)·2^m, also where n carries into the next
// binade.

#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/division-inl.h"
#include "tersor/backend/cpu/kernels/elements-inl.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_CODES_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_CODES_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_CODES_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

// What the lanes of a vector are quantized with. Clamping x to [low, high] = scale · ([qmin, qmax] -
// zero_point) gives the same code as clamping the quotient, and keeps what is not finite out of the division.
struct Scales {
  Divisor divisor;
  VF low, high;
  VF zero_point;
};

struct Encoded {
  VI code;     // in the low byte of each lane; the bits above are anything
  VF residue;  // x less the code's value, but for the sign; where nobody asks, the compiler leaves it out
};

template <bool kZeroPoint>
struct IntCoder {
  template <bool kWide>
  static HWY_INLINE Encoded encode(VF x, const Scales& k) {
    VF y = k.divisor.divide<kWide>(hn::Min(hn::Max(x, k.low), k.high));
    if constexpr (kZeroPoint) y = hn::Add(y, k.zero_point);
    // Adding 1.5·2^23 rounds to an integer, half to even, and leaves it in the low bits.
    const VF shifter = hn::Set(DF(), 0x1.8p23f);
    const VF sum = hn::Add(y, shifter);
    VF steps = hn::Sub(sum, shifter);
    if constexpr (kZeroPoint) steps = hn::Sub(steps, k.zero_point);
    return {hn::BitCast(DI(), sum), hn::NegMulAdd(steps, k.divisor.scale, x)};
  }
};

template <int kMantissaBits, int kMinExponent, int kSignBit>
struct FloatCoder {
  static constexpr int kShift = 23 - kMantissaBits;
  static constexpr uint32_t kLeast = (127 + kMinExponent) << 23;  // 2^e0
  static constexpr float kLargest = kMantissaBits == 3 ? kFloat8E4M3Max : kFloat4E2M1Max;

  // 2^e, at least 2^e0, as bits.
  static HWY_INLINE VI binade(VF magnitude) {
    const DI di;
    const VI bits = hn::BitCast(di, magnitude);
    return hn::Max(hn::And(bits, hn::Set(di, 0x7F800000)), hn::Set(di, static_cast<int32_t>(kLeast)));
  }

  // The nearest value that has a code; magnitude is at most the largest.
  static HWY_INLINE VF round(VF magnitude) {
    const VF shifter = hn::BitCast(DF(), hn::Add(binade(magnitude), hn::Set(DI(), kShift << 23)));
    return hn::Sub(hn::Add(magnitude, shifter), shifter);
  }

  struct Magnitude {
    VI code;   // in the low byte
    VF value;  // of the code
  };

  // Of a magnitude that is at most the largest.
  static HWY_INLINE Magnitude encode_magnitude(VF a) {
    const DI di;
    const VI e = binade(a);
    // -e0·2^m, modulo a byte, rides in the low bits of M; it is even, so ties stay what they are.
    constexpr int32_t kOffset = static_cast<int32_t>((0u - (kLeast >> kShift)) & 0xFF);
    static_assert(kOffset % 2 == 0);
    const VF shifter = hn::BitCast(DF(), hn::Add(e, hn::Set(di, (kShift << 23) + kOffset)));
    const VF sum = hn::Add(a, shifter);
    return {hn::Add(hn::BitCast(di, sum), hn::ShiftRight<kShift>(e)), hn::Sub(sum, shifter)};
  }

  template <bool kWide>
  static HWY_INLINE Encoded encode(VF x, const Scales& k) {
    const DF df;
    const DI di;
    VF a;
    if constexpr (kWide) {
      a = hn::Abs(k.divisor.divide<kWide>(hn::Min(hn::Max(x, k.low), k.high)));
    } else {  // a finite x may overflow here to the infinity that it should
      a = hn::Min(hn::Abs(k.divisor.divide<kWide>(x)), hn::Set(df, kLargest));
    }
    const Magnitude m = encode_magnitude(a);
    const auto negative = hn::RebindMask(di, hn::Lt(x, hn::Zero(df)));
    return {hn::IfThenElse(negative, hn::Or(m.code, hn::Set(di, kSignBit)), m.code),
            hn::NegMulAdd(m.value, k.divisor.scale, hn::Abs(x))};
  }
};
using Float8Coder = FloatCoder<3, -6, 0x80>;
using Float4Coder = FloatCoder<1, 0, 8>;

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif
