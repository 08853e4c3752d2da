// |d|^norm for the grid search over ranges: the same bits on every machine, with or without SIMD.
//
// d = m · 2^e, m in [1, 2). With m_i the middle of the eighth of [1, 2) that m lies in and r = m/m_i - 1,
// |r| <= h = 1/17:
//   d^p = m_i^p · (1 + r)^p · 2^(p·e),
// (1 + r)^p by the binomial series to r^3 with r^4 replaced by h²·r² - h^4/8, which differs by h^4/8 at most;
// and 2^(p·e) as the product of two table entries, e = 8·high + low. Every table has eight entries, so that
// one AVX2 register holds it. The relative error is below 1e-6 for norms from 1 to 3.5, unless the power is
// nearly subnormal.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace tersor {

// base^p in double for 0 < base < infinity, from + - × ÷ alone; relative error below 1e-12.
double power(double base, double p);

class MsePower {
 public:
  // REQUIRES: norm > 0.
  explicit MsePower(double norm);

  // d >= 0 in units of a quantization step, or any ratio of scales. Below 2^-39 counts as 0, 2^17 and more as
  // just below 2^17.
  float operator()(float d) const {
    if (square()) return d * d;
    if (cube()) return d * d * d;
    const auto u = std::bit_cast<uint32_t>(std::min(std::max(d, kMin), kMax));
    const uint32_t eighth = (u >> 20) & 7;
    const float m = std::bit_cast<float>((u & 0x7FFFFF) | 0x3F800000);
    const float r = std::fma(m, reciprocal[eighth], -1.0f);
    float s = std::fma(r, series[3], series[2]);
    s = std::fma(s, r, series[1]);
    s = std::fma(s, r, series[0]);
    return (s * middle[eighth]) * (low[(u >> 23) & 7] * high[(u >> 26) & 7]);
  }

  bool square() const { return norm == 2; }
  bool cube() const { return norm == 3; }

  // [2^-47, 2^17) is eight runs of eight binades, the exponents that `low` and `high` can name; high is 0
  // for the lowest run.
  static constexpr float kMin = 0x1p-47f;
  static constexpr float kMax = 0x1.FFFFFEp16f;

  double norm;
  std::array<float, 8> reciprocal;  // 1 / m_i
  std::array<float, 8> middle;      // m_i^norm
  std::array<float, 8> low;         // 2^(norm · ((biased exponent mod 8) - 7))
  std::array<float, 8> high;        // the rest of 2^(norm · exponent), by (biased exponent / 8) mod 8
  std::array<float, 4> series;      // of 1, r, r², r³
};

}  // namespace tersor
