// fp8 codes of bf16 weights by looking them up: 64 weights in 16 instructions, no division.
//
// A bf16 magnitude x = 2^a·(1 + M/128) over a scale s = 2^b·(1 + m/128) rounds to a normal fp8 number whose
// three mantissa bits depend on M and m alone. With x̂ = RN(x / s) written as bf16,
//
//   bits(x̂) = bits(x) - (b << 7) + δ_m[M],   -135 <= δ <= 8,
//
// so that a scale's 128 bytes δ, two registers, give 64 codes in one lookup (VPERMI2B). Less fp8's least
// normal number 2^-6, the bits are w = code << 4 + …: code = w >> 4 lies in 8..126. Zeros fall below that
// and have code 0; a vector with any other element outside (fp8's subnormals, what saturates or is not
// finite) is quantized the ordinary way.
//
// What is lost is x - s·x̂. w as bf16 is x̂·2^-120, so one VDPBF16PS of pairs (x, w) and (1, -s·2^120) gives
// sixteen of them, without rounding: x has 8 significant bits, s·x̂ has 12, and they are less than 2^-3 apart.
//
// AVX-512 intrinsics, since Highway 1.0 has neither instruction.

#include <bit>
#include <cstdint>

#include "hwy/highway.h"

#include "tersor/backend/cpu/kernels/quantize_batch-inl.h"
#include "tersor/base/float_types.h"

#if defined(TERSOR_BACKEND_CPU_KERNELS_FLOAT8_LOOKUP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERSOR_BACKEND_CPU_KERNELS_FLOAT8_LOOKUP_INL_H_
#undef TERSOR_BACKEND_CPU_KERNELS_FLOAT8_LOOKUP_INL_H_
#else
#define TERSOR_BACKEND_CPU_KERNELS_FLOAT8_LOOKUP_INL_H_
#endif

#if HWY_TARGET == HWY_AVX3

HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vbmi,avx512bf16")
namespace tersor {
namespace HWY_NAMESPACE {

inline bool has_float8_lookup() {
  static const bool has = __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bf16");
  return has;
}

// δ_m[M] + kOffset, made by the scalar conversions.
struct Float8Lookup {
  static constexpr int kOffset = 136;
  alignas(64) uint8_t delta[128][128];

  static const Float8Lookup& get() {
    static const Float8Lookup kLookup = [] {
      Float8Lookup t;
      for (uint16_t m = 0; m < 128; ++m) {
        for (uint16_t M = 0; M < 128; ++M) {
          const BFloat16 x{static_cast<uint16_t>(0x3F80 | M)}, s{static_cast<uint16_t>(0x3F80 | m)};
          const float rounded = to_float(float8_e4m3_from(to_float(x) / to_float(s)));
          t.delta[m][M] = static_cast<uint8_t>(static_cast<int>(std::bit_cast<uint32_t>(rounded) >> 16) -
                                               x.bits + kOffset);
        }
      }
      return t;
    }();
    return kLookup;
  }
};

// What a vector of 32 weights is quantized with.
struct LookupScale {
  __m512i delta_low, delta_high;
  __m512i base;            // bits(x) + delta - base = w
  __m512bh one_and_scale;  // pairs (1, -s·2^120)

  static bool takes(float scale) {
    return ((std::bit_cast<uint32_t>(scale) & 0xFFFF) == 0) & (scale >= kMinScale) & (scale < 0x1p7f);
  }

  static HWY_INLINE LookupScale of(const Float8Lookup& lookup, float scale) {
    const uint32_t bits = std::bit_cast<uint32_t>(scale);
    const uint8_t* delta = lookup.delta[(bits >> 16) & 0x7F];
    // The exponent 127 + b comes down to b, and 2^-6 (bits 121 << 7) to 1 << 7, the code 8.
    const int base = Float8Lookup::kOffset + (static_cast<int>(bits >> 23) - 127 + 120) * 128;
    const uint32_t negative_scale = 0x80000000u | (bits + (120u << 23));
    return {_mm512_load_si512(delta), _mm512_load_si512(delta + 64),
            _mm512_set1_epi16(static_cast<int16_t>(base)),
            reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int32_t>(negative_scale | 0x3F80u)))};
  }
};

// Magnitudes of 32 weights, and w.
struct Looked {
  __m512i x, w;
};

HWY_INLINE Looked look_up(__m512i x, const LookupScale& k) {
  const __m512i magnitude = _mm512_and_si512(x, _mm512_set1_epi16(0x7FFF));
  // The low seven bits of a byte are the index: the even bytes hold M.
  const __m512i delta = _mm512_maskz_permutex2var_epi8(0x5555555555555555u, k.delta_low, x, k.delta_high);
  return {magnitude, _mm512_sub_epi16(_mm512_add_epi16(magnitude, delta), k.base)};
}

HWY_INLINE VF raw_vector(__m512 v) {
  VF out;
  out.raw = v;
  return out;
}

template <bool kMeasured>
HWY_INLINE void add_losses(const Looked& a, __m512bh one_and_scale, Tally<kMeasured>& tally) {
  const __m512bh x = reinterpret_cast<__m512bh>(a.x);
  const __m512 zero = _mm512_setzero_ps();
  const __m512 e0 =
      _mm512_dpbf16_ps(zero, reinterpret_cast<__m512bh>(_mm512_unpacklo_epi16(a.x, a.w)), one_and_scale);
  const __m512 e1 =
      _mm512_dpbf16_ps(zero, reinterpret_cast<__m512bh>(_mm512_unpackhi_epi16(a.x, a.w)), one_and_scale);
  tally.error[0] = raw_vector(_mm512_fmadd_ps(e0, e0, tally.error[0].raw));
  tally.error[1] = raw_vector(_mm512_fmadd_ps(e1, e1, tally.error[1].raw));
  tally.norm[0] = raw_vector(_mm512_dpbf16_ps(tally.norm[0].raw, x, x));
}

// The ordinary constants of one scale; fp8 that is not wide needs neither bounds nor zero points.
HWY_INLINE Scales ordinary_scale(float scale) {
  const VF zero = hn::Zero(DF());
  return {Divisor::of(hn::Set(DF(), scale)), zero, zero, zero};
}

// 32 weights of scale s0 and 32 of s1, the ordinary way.
template <bool kMeasured>
HWY_NOINLINE Tally<kMeasured> quantize_without_lookup(const BFloat16* x, float s0, float s1, int8_t* codes) {
  Tally<kMeasured> tally = Tally<kMeasured>::of_nothing();
  const Scales k0 = ordinary_scale(s0), k1 = ordinary_scale(s1);
  quantize_quad<BFloat16, Float8Coder, false>(x, k0, k0, k1, k1, codes, tally);
  return tally;
}

template <bool kMeasured>
HWY_INLINE void quantize_by_lookup(const BFloat16* x, const LookupScale& k0, const LookupScale& k1, float s0,
                                   float s1, int8_t* codes, Tally<kMeasured>& tally) {
  const __m512i v0 = _mm512_loadu_si512(x), v1 = _mm512_loadu_si512(x + 32);
  Looked a = look_up(v0, k0), b = look_up(v1, k1);
  // Bytes as the packing instructions leave them: eight of a, eight of b, eight of a, …. Both saturate, so
  // that what is out of range stays so.
  __m512i code = _mm512_packus_epi16(_mm512_srai_epi16(a.w, 4), _mm512_srai_epi16(b.w, 4));
  __m512i sign = _mm512_packs_epi16(v0, v1);
  const __mmask64 outside =
      _mm512_cmpgt_epu8_mask(_mm512_sub_epi8(code, _mm512_set1_epi8(8)), _mm512_set1_epi8(126 - 8));
  if (HWY_UNLIKELY(outside != 0)) {
    const __m512i one = _mm512_set1_epi16(1);
    const __m512i some = _mm512_packus_epi16(_mm512_min_epu16(a.x, one), _mm512_min_epu16(b.x, one));
    const __mmask64 nonzero = _mm512_test_epi8_mask(some, some);
    if ((outside & nonzero) != 0) {
      tally.add(quantize_without_lookup<kMeasured>(x, s0, s1, codes));
      return;
    }
    const __m512i zero = _mm512_setzero_si512();
    code = _mm512_maskz_mov_epi8(nonzero, code);
    sign = _mm512_maskz_mov_epi8(nonzero, sign);
    a.w = _mm512_max_epi16(a.w, zero);
    b.w = _mm512_max_epi16(b.w, zero);
  }
  // code | sign & 0x80
  const __m512i bytes = _mm512_ternarylogic_epi32(code, sign, _mm512_set1_epi8(-128), 0xF8);
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  _mm512_storeu_si512(codes, _mm512_permutexvar_epi64(order, bytes));
  if constexpr (kMeasured) {
    add_losses(a, k0.one_and_scale, tally);
    add_losses(b, k1.one_and_scale, tally);
  }
}

// Whether quantize_groups_by_lookup takes these groups.
inline bool looks_up(const float* scales, size_t count, size_t group_size) {
  if (group_size < 64 && group_size != 32) return false;
  bool all = true;
  for (size_t i = 0; i < count; ++i) all = all & LookupScale::takes(scales[i]);
  return all;
}

// quantize_batch for fp8 codes of bf16.
template <bool kMeasured>
HWY_NOINLINE bool quantize_groups_by_lookup(const BFloat16* x, size_t group_size, size_t count,
                                            const float* scales, int8_t* codes, Loss& loss) {
  const Float8Lookup& lookup = Float8Lookup::get();
  Tally<kMeasured> tally = Tally<kMeasured>::of_nothing();
  size_t g = 0;
  if (group_size == 32) {
    for (; g + 2 <= count; g += 2) {
      const float s0 = scales[g], s1 = scales[g + 1];
      quantize_by_lookup(x + g * 32, LookupScale::of(lookup, s0), LookupScale::of(lookup, s1), s0, s1,
                         codes + g * 32, tally);
    }
  }
  for (; g < count; ++g) {
    const LookupScale k = LookupScale::of(lookup, scales[g]);
    const BFloat16* from = x + g * group_size;
    int8_t* to = codes + g * group_size;
    size_t i = 0;
    for (; i + 64 <= group_size; i += 64)
      quantize_by_lookup(from + i, k, k, scales[g], scales[g], to + i, tally);
    if (i < group_size) {
      quantize_group<BFloat16, Float8Coder, false>(from + i, group_size - i, ordinary_scale(scales[g]),
                                                   to + i, tally);
    }
  }
  return finish(tally, loss);
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_POP_ATTRIBUTES

#else  // no lookup

HWY_BEFORE_NAMESPACE();
namespace tersor {
namespace HWY_NAMESPACE {

inline bool has_float8_lookup() { return false; }
inline bool looks_up(const float*, size_t, size_t) { return false; }
template <bool kMeasured>
HWY_INLINE bool quantize_groups_by_lookup(const BFloat16*, size_t, size_t, const float*, int8_t*, Loss&) {
  return false;
}

}  // namespace HWY_NAMESPACE
}  // namespace tersor
HWY_AFTER_NAMESPACE();

#endif  // HWY_TARGET == HWY_AVX3

#endif
