// Whole code spaces against decoders written the other way round: by search over all codes in double.
#include "tersor/base/float_types.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tersor {
namespace {

// The code whose value is nearest to x; of two equally near, the one with an even code.
int nearest_code(double x, const std::vector<double>& magnitudes) {
  int best = 0;
  for (int c = 1; c < static_cast<int>(magnitudes.size()); ++c) {
    const double d = std::fabs(x - magnitudes[c]), b = std::fabs(x - magnitudes[best]);
    if (d < b || (d == b && c % 2 == 0)) best = c;
  }
  return best;
}

std::vector<float> interesting_floats() {
  std::vector<float> out = {0.0f, 1e-45f, 1e-40f, 448.0f, 464.0f, 465.0f, 1e6f};
  std::mt19937 rng(1);
  for (int i = 0; i < 20000; ++i) {
    out.push_back(
        std::ldexp(1.0f + static_cast<float>(rng() % 4096) / 4096.0f, static_cast<int>(rng() % 40) - 24));
  }
  return out;
}

TEST(Float8E4M3, EveryCodeRoundTrips) {
  for (int c = 0; c < 256; ++c) {
    if ((c & 0x7F) == 0x7F) {
      EXPECT_TRUE(std::isnan(to_float(Float8E4M3{static_cast<uint8_t>(c)})));
      continue;
    }
    EXPECT_EQ(float8_e4m3_from(to_float(Float8E4M3{static_cast<uint8_t>(c)})).bits, c);
  }
}

TEST(Float8E4M3, RoundsToTheNearestCode) {
  std::vector<double> magnitudes;
  for (int c = 0; c < 127; ++c) magnitudes.push_back(to_float(Float8E4M3{static_cast<uint8_t>(c)}));
  for (float x : interesting_floats()) {
    EXPECT_EQ(float8_e4m3_from(x).bits, nearest_code(x, magnitudes)) << x;
    EXPECT_EQ(float8_e4m3_from(-x).bits, 0x80 | nearest_code(x, magnitudes)) << x;
  }
  for (int c = 0; c + 1 < 127; ++c) {  // every tie
    const auto middle = static_cast<float>((magnitudes[c] + magnitudes[c + 1]) / 2);
    EXPECT_EQ(float8_e4m3_from(middle).bits, c % 2 == 0 ? c : c + 1) << middle;
  }
  EXPECT_EQ(float8_e4m3_from(INFINITY).bits, 0x7E);
  EXPECT_EQ(float8_e4m3_from(NAN).bits & 0x7F, 0x7F);
}

TEST(Float4E2M1, RoundsToTheNearestCode) {
  const std::vector<double> magnitudes = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (float x : interesting_floats()) EXPECT_EQ(float4_e2m1_from(x), nearest_code(x, magnitudes)) << x;
  for (int c = 0; c < 7; ++c) {
    const auto middle = static_cast<float>((magnitudes[c] + magnitudes[c + 1]) / 2);
    EXPECT_EQ(float4_e2m1_from(middle), c % 2 == 0 ? c : c + 1);
    EXPECT_EQ(float4_e2m1_from(-middle), 8 | (c % 2 == 0 ? c : c + 1));
  }
  EXPECT_EQ(float4_e2m1_from(-0.0f), 0);
  EXPECT_EQ(float4_e2m1_from(-1e-6f), 8);
  for (int c = 0; c < 16; ++c) {
    const float value = float4_e2m1_to_float(static_cast<uint8_t>(c));
    EXPECT_EQ(float4_e2m1_from(value), c == 8 ? 0 : c);
  }
}

TEST(Float16, EveryCodeRoundTripsAndNeighboursTieToEven) {
  for (int c = 0; c < 0x7C00; ++c) {
    const float value = to_float(Float16{static_cast<uint16_t>(c)});
    EXPECT_EQ(float16_from(value).bits, c);
    EXPECT_EQ(float16_from(-value).bits, 0x8000 | c);
    if (c + 1 < 0x7C00) {
      const float next = to_float(Float16{static_cast<uint16_t>(c + 1)});
      EXPECT_EQ(float16_from(value / 2 + next / 2).bits, c % 2 == 0 ? c : c + 1);
    }
  }
  EXPECT_EQ(float16_from(65520.0f).bits, 0x7C00);
  EXPECT_TRUE(std::isnan(to_float(float16_from(NAN))));
}

TEST(BFloat16, EveryCodeRoundTripsAndNeighboursTieToEven) {
  for (int c = 0; c < 0x7F80; ++c) {
    const float value = to_float(BFloat16{static_cast<uint16_t>(c)});
    EXPECT_EQ(bfloat16_from(value).bits, c);
    if (c + 1 < 0x7F80 && c > 0) {
      const float middle = std::bit_cast<float>((static_cast<uint32_t>(c) << 16) + 0x8000);
      EXPECT_EQ(bfloat16_from(middle).bits, c % 2 == 0 ? c : c + 1);
    }
  }
  EXPECT_TRUE(std::isnan(to_float(bfloat16_from(NAN))));
}

TEST(E8M0, EveryExponent) {
  for (int e = 0; e < 255; ++e) EXPECT_EQ(e8m0_to_float(static_cast<uint8_t>(e)), std::ldexp(1.0f, e - 127));
}

}  // namespace
}  // namespace tersor
