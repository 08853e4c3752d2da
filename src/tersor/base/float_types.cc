// Scalar conversions, written from the bit layouts.
#include "tersor/base/float_types.h"

#include <cmath>
#include <limits>

namespace tersor {
namespace {

// The exponent of a normal x > 0.
int exponent_of(float x) { return static_cast<int>(std::bit_cast<uint32_t>(x) >> 23) - 127; }

// 2^exponent, for the exponents of normal numbers.
float power_of_two(int exponent) { return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23); }

// x rounded to a multiple of 2^exponent, half to even, for 0 <= x < 2^(exponent + 23): so near to that power,
// f32 has no finer places, and the addition rounds.
float round_to_spacing(float x, int exponent) {
  const float shift = power_of_two(exponent + 23);
  return (x + shift) - shift;
}

}  // namespace

BFloat16 bfloat16_from(float x) {
  const auto u = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return {static_cast<uint16_t>((u >> 16) | 0x40)};
  // Adding 0x7FFF plus the lowest kept bit carries exactly when the dropped half rounds up.
  return {static_cast<uint16_t>((u + 0x7FFF + ((u >> 16) & 1)) >> 16)};
}

float to_float(Float16 x) {
  const uint32_t sign = uint32_t{x.bits & 0x8000u} << 16;
  const uint32_t exponent = (x.bits >> 10) & 0x1F;
  const uint32_t mantissa = x.bits & 0x3FF;
  float magnitude = 0;
  if (exponent == 0x1F) {
    magnitude = std::bit_cast<float>(0x7F800000u | mantissa << 13);
  } else if (exponent == 0) {
    magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  } else {
    magnitude = std::bit_cast<float>((exponent + 112) << 23 | mantissa << 13);
  }
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
}

Float16 float16_from(float x) {
  const auto sign = static_cast<uint16_t>((std::bit_cast<uint32_t>(x) >> 16) & 0x8000);
  const float a = std::fabs(x);
  if (std::isnan(a)) return {static_cast<uint16_t>(sign | 0x7E00)};
  if (a >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7C00)};  // half way past 65504 rounds to infinity
  if (a < 0x1p-14f) {  // subnormal: a multiple of 2^-24; 2^-14 itself carries into the first normal code
    return {static_cast<uint16_t>(sign | static_cast<uint16_t>(round_to_spacing(a, -24) * 0x1p24f))};
  }
  const float rounded = round_to_spacing(a, exponent_of(a) - 10);
  const auto u = std::bit_cast<uint32_t>(rounded);
  return {static_cast<uint16_t>(sign | static_cast<uint16_t>((u >> 13) - (112u << 10)))};
}

float to_float(Float8E4M3 x) {
  const int exponent = (x.bits >> 3) & 0xF;
  const int mantissa = x.bits & 7;
  float magnitude = 0;
  if (exponent == 15 && mantissa == 7) {
    magnitude = std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = static_cast<float>(mantissa) * 0x1p-9f;
  } else {
    magnitude = static_cast<float>(8 + mantissa) * power_of_two(exponent - 10);
  }
  return (x.bits & 0x80) != 0 ? -magnitude : magnitude;
}

Float8E4M3 float8_e4m3_from(float x) {
  const auto sign = static_cast<uint8_t>((std::bit_cast<uint32_t>(x) >> 24) & 0x80);
  if (std::isnan(x)) return {static_cast<uint8_t>(sign | 0x7F)};
  const float a = std::fmin(std::fabs(x), kFloat8E4M3Max);
  if (a < 0x1p-6f) {  // subnormal: a multiple of 2^-9; eight of them carry into the first normal code
    return {static_cast<uint8_t>(sign | static_cast<uint8_t>(round_to_spacing(a, -9) * 0x1p9f))};
  }
  const float rounded = round_to_spacing(a, exponent_of(a) - 3);
  const auto u = std::bit_cast<uint32_t>(rounded);
  return {static_cast<uint8_t>(sign | static_cast<uint8_t>((u >> 20) - (120u << 3)))};
}

uint8_t float4_e2m1_from(float x) {
  const float a = std::fabs(x);
  // The upper edge of each code's interval; a tie belongs to the even index.
  uint8_t index = 7;
  if (a <= 0.25f)
    index = 0;
  else if (a < 0.75f)
    index = 1;
  else if (a <= 1.25f)
    index = 2;
  else if (a < 1.75f)
    index = 3;
  else if (a <= 2.5f)
    index = 4;
  else if (a < 3.5f)
    index = 5;
  else if (a <= 5.0f)
    index = 6;
  return static_cast<uint8_t>(index | (x < 0 ? 8 : 0));
}

float float4_e2m1_to_float(uint8_t code) {
  constexpr float kMagnitude[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  const float magnitude = kMagnitude[code & 7];
  return (code & 8) != 0 ? -magnitude : magnitude;
}

float e8m0_to_float(uint8_t exponent) { return exponent == 0 ? 0x1p-127f : power_of_two(exponent - 127); }

}  // namespace tersor
