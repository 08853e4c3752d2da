#include "tersor/backend/mse_power.h"

#include <cmath>

#include <gtest/gtest.h>

namespace tersor {
namespace {

TEST(Power, AgreesWithLibm) {
  for (double base : {1e-30, 3e-7, 0.3, 0.999, 1.0, 2.0, 1.5e9}) {
    for (double p : {0.4, 1.0, 2.4, 3.0, -7.5}) {
      EXPECT_NEAR(power(base, p) / std::pow(base, p), 1, 1e-12) << base << "^" << p;
    }
  }
}

TEST(MsePower, IsAccurateOverItsRange) {
  for (double norm : {1.0, 1.5, 2.0, 2.4, 3.0, 3.5}) {
    const MsePower mse_power(norm);
    double worst = 0;
    // 2^-39 to 2^17 in steps that visit every eighth of a binade many times.
    for (double d = 0x1p-39; d < 0x1p17; d *= 1.00037) {
      const auto x = static_cast<float>(d);
      if (std::pow(d, norm) < 0x1p-120) continue;  // subnormal products are less exact
      worst = std::fmax(worst, std::fabs(mse_power(x) / std::pow(double{x}, norm) - 1));
    }
    EXPECT_LT(worst, 1e-6) << norm;
  }
}

TEST(MsePower, EndsOfTheRange) {
  const MsePower mse_power(2.4);
  EXPECT_EQ(mse_power(0), 0);
  EXPECT_EQ(mse_power(0x1p-40f), 0);
  EXPECT_GT(mse_power(0x1p-39f), 0);
  EXPECT_EQ(mse_power(0x1p17f), mse_power(MsePower::kMax));
  EXPECT_EQ(mse_power(INFINITY), mse_power(MsePower::kMax));
}

}  // namespace
}  // namespace tersor
