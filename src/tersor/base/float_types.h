// Storage-only float types and their conversions: bf16, f16, fp8 (e4m3fn), fp4 (e2m1), e8m0.
//
// Every conversion from f32 rounds to nearest, ties to even, exactly as IEEE 754 would; fp8 and fp4 saturate,
// since neither has an infinity. These scalar functions are the reference that the SIMD kernels are compared
// with. Formats: OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0.
#pragma once

#include <bit>
#include <cstdint>

namespace tersor {

struct BFloat16 {
  uint16_t bits = 0;
};
struct Float16 {
  uint16_t bits = 0;
};
// 1-4-3, bias 7, largest 448 (0x7E), NaN 0x7F and 0xFF, no infinity.
struct Float8E4M3 {
  uint8_t bits = 0;
};

inline float to_float(float x) { return x; }
inline float to_float(BFloat16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }
float to_float(Float16 x);
float to_float(Float8E4M3 x);

// Quiet NaNs stay NaNs; overflow goes to infinity.
BFloat16 bfloat16_from(float x);
Float16 float16_from(float x);
// |x| above 448 saturates to 448 (an infinity too); NaN stays NaN.
Float8E4M3 float8_e4m3_from(float x);

// The 4-bit code `sign << 3 | index` of x, index into {0, .5, 1, 1.5, 2, 3, 4, 6}; |x| above 6 saturates.
// A negative x that rounds to zero keeps its sign (code 8); -0.0 itself gives code 0, as the reference writer
// has it.
uint8_t float4_e2m1_from(float x);
float float4_e2m1_to_float(uint8_t code);

// 2^(exponent - 127); exponent 0 is the subnormal 2^-127.
float e8m0_to_float(uint8_t exponent);

constexpr float kFloat8E4M3Max = 448.0f;
constexpr float kFloat4E2M1Max = 6.0f;

}  // namespace tersor
