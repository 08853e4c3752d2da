// Tables of MsePower, computed without libm, whose last bits differ between versions.
#include "tersor/backend/mse_power.h"

namespace tersor {
namespace {

// ln(x), 0 < x: x = m · 2^e with m near 1, ln m = 2·artanh((m - 1)/(m + 1)).
double natural_log(double x) {
  constexpr double kLn2 = 0.693147180559945309417232121458;
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // [0.5, 1)
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double t = (m - 1) / (m + 1), t2 = t * t;  // |t| < 0.172
  double series = 0;
  for (int k = 21; k >= 1; k -= 2) series = series * t2 + 1.0 / k;
  return 2 * t * series + exponent * kLn2;
}

// e^x by the Taylor series after taking out whole powers of two.
double exponential(double x) {
  constexpr double kLn2 = 0.693147180559945309417232121458;
  const double n = std::nearbyint(x / kLn2);
  const double f = x - n * kLn2;  // |f| < 0.35
  double series = 1;
  for (int k = 16; k >= 1; --k) series = 1 + f / k * series;
  return std::ldexp(series, static_cast<int>(n));
}

}  // namespace

double power(double base, double p) { return exponential(p * natural_log(base)); }

MsePower::MsePower(double norm_) : norm(norm_) {
  for (int i = 0; i < 8; ++i) {
    const double m = 1 + (i + 0.5) / 8;
    reciprocal[i] = static_cast<float>(1 / m);
    middle[i] = static_cast<float>(power(m, norm));
    low[i] = static_cast<float>(power(2, norm * (i - 7)));
  }
  // Biased exponents 80..143 make runs 10..17; run 15 begins at 2^-7.
  for (int run = 10; run < 18; ++run) {
    high[run & 7] = run == 10 ? 0.0f : static_cast<float>(power(2, norm * (8 * run + 7 - 127)));
  }
  double binomial[5] = {1};
  for (int k = 1; k < 5; ++k) binomial[k] = binomial[k - 1] * (norm - k + 1) / k;
  constexpr double h2 = 1.0 / (17 * 17);
  series[0] = static_cast<float>(1 - binomial[4] * h2 * h2 / 8);
  series[1] = static_cast<float>(binomial[1]);
  series[2] = static_cast<float>(binomial[2] + binomial[4] * h2);
  series[3] = static_cast<float>(binomial[3]);
}

}  // namespace tersor
