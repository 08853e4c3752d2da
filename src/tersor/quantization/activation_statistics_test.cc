// Ranges of static activation scales against plain searches in double.
#include "tersor/quantization/activation_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/quantization/observer.h"
#include "tersor/quantization/qparams.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {
namespace {

constexpr size_t kColumns = 64;

QuantizationArgs observed_by(const std::string& observer, QuantizationType type, bool symmetric = true) {
  QuantizationArgs args;
  args.type = type;
  args.symmetric = symmetric;
  if (!symmetric) args.zp_dtype = DType::kI8;
  args.observer = observer;
  return args;
}

// As activations are: most of them small, a few large, the mean beside zero.
std::vector<float> activations(uint32_t seed, size_t rows = 200) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * kColumns);
  for (float& v : values) {
    v = normal(random) + 0.3f;
    if (random() % 500 == 0) v *= 12;
    v = to_float(bfloat16_from(v));
  }
  return values;
}

MinMax range_of(const std::vector<float>& values) {
  const auto [least, most] = std::ranges::minmax(values);
  return {std::min(least, 0.0f), std::max(most, 0.0f)};
}

ActivationStatistics statistics_of(const QuantizationArgs& args, const std::vector<float>& values,
                                   size_t samples = 1) {
  ActivationNeeds needs;
  needs.add(args);
  ActivationStatistics statistics(needs);
  const size_t each = values.size() / samples;
  for (size_t s = 0; s < samples; ++s) {
    const std::vector<float> part(values.begin() + static_cast<std::ptrdiff_t>(s * each),
                                  values.begin() + static_cast<std::ptrdiff_t>((s + 1) * each));
    statistics.add_sample(range_of(part));
    if (needs.looks_at_values()) statistics.add_values(part, kColumns);
  }
  return statistics;
}

double quantized(double x, const QuantizationArgs& args, double scale, double zero_point) {
  const double y = x / scale + zero_point;
  if (args.type == QuantizationType::kInt)
    return (std::clamp(std::nearbyint(y), -128.0, 127.0) - zero_point) * scale;
  const double magnitude = std::min(std::fabs(y), 448.0);
  const int exponent = std::max(-6, magnitude > 0 ? std::ilogb(magnitude) : -6);
  const double step = std::ldexp(1.0, exponent - 3);
  return std::copysign(std::min(448.0, std::nearbyint(magnitude / step) * step), y) * scale;
}

// Σ |Q(x) - x|^2.4 with the scale that the range gives.
double error_of(const MinMax& range, const QuantizationArgs& args, const std::vector<float>& values) {
  QParams q;
  compute_qparams(args, DType::kBF16, std::span(&range, 1), 0, q);
  const double zero_point = args.symmetric ? 0 : q.zero_points[0];
  double error = 0;
  for (const float x : values)
    error += std::pow(std::fabs(quantized(x, args, q.scales[0], zero_point) - x), 2.4);
  return error;
}

TEST(ActivationStatistics, MseFindsTheRangeOfLeastError) {
  for (const auto& args : {observed_by("mse", QuantizationType::kInt),
                           observed_by("memoryless_mse", QuantizationType::kInt, false),
                           observed_by("mse", QuantizationType::kFloat)}) {
    for (const uint32_t seed : {1u, 2u, 3u}) {
      const std::vector<float> values = activations(seed);
      const MinMax whole = range_of(values);
      MinMax best = whole;
      double least = std::numeric_limits<double>::infinity();
      for (int i = 0; i < 20; ++i) {
        const auto p = static_cast<float>(1.0 - i / 100.0);
        const MinMax candidate{whole.min * p, whole.max * p};
        const double error = error_of(candidate, args, values);
        if (error < least * (1 - 1e-9)) {
          least = error;
          best = candidate;
        }
      }
      const MinMax found = statistics_of(args, values, 4).range(args, DType::kBF16);
      EXPECT_EQ(found.min, best.min);
      EXPECT_EQ(found.max, best.max);
      EXPECT_LE(error_of(found, args, values), error_of(whole, args, values));
    }
  }
}

// Few bits and a long tail: what a search is for. The least of the grid, and of a wider one.
TEST(ActivationStatistics, MseClipsRareOutliersAsFarAsItsGridGoes) {
  QuantizationArgs args = observed_by("mse", QuantizationType::kInt);
  args.num_bits = 6;
  std::vector<float> values = activations(4, 2000);
  values[7] = 60;
  EXPECT_FLOAT_EQ(statistics_of(args, values).range(args, DType::kBF16).max, 60 * 0.81f);
  args.observer_kwargs = {{"maxshrink", 0.6}, {"grid", 10}, {"norm", 2}};
  EXPECT_FLOAT_EQ(statistics_of(args, values).range(args, DType::kBF16).max, 60 * 0.5f);
}

TEST(ActivationStatistics, MseDoesNotDependOnSamplesAndTheirOrder) {
  QuantizationArgs local = preset_scheme("NVFP4")->input_activations.value();
  local.observer = "mse";
  for (const auto& args : {observed_by("mse", QuantizationType::kInt, false),
                           observed_by("mse", QuantizationType::kFloat), local}) {
    const std::vector<float> values = activations(5);
    const MinMax whole = statistics_of(args, values).range(args, DType::kBF16);
    std::vector<float> reversed;  // the rows, last first
    for (size_t row = values.size() / kColumns; row-- > 0;)
      reversed.insert(reversed.end(), values.begin() + static_cast<std::ptrdiff_t>(row * kColumns),
                      values.begin() + static_cast<std::ptrdiff_t>((row + 1) * kColumns));
    for (const auto& other : {statistics_of(args, reversed, 8), statistics_of(args, values, 50)}) {
      EXPECT_EQ(other.range(args, DType::kBF16).min, whole.min);
      EXPECT_EQ(other.range(args, DType::kBF16).max, whole.max);
    }
  }
}

// The cap of NVFP4's scales: the largest of all groups' own choices, found without searching all of them.
TEST(ActivationStatistics, TheGlobalScaleCoversWhatEachGroupWouldChoose) {
  QuantizationArgs args = preset_scheme("NVFP4")->input_activations.value();
  args.observer = "mse";
  const std::vector<float> values = activations(6);
  constexpr double kValues[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  const MseGrid grid = *mse_grid(args);
  double expected = 0;
  for (size_t g = 0; g < values.size(); g += 16) {
    double amax = 0, least = std::numeric_limits<double>::infinity(), chosen = 0;
    for (size_t i = g; i < g + 16; ++i) amax = std::max(amax, std::fabs(double{values[i]}));
    for (int i = 0; i < grid.num_steps(); ++i) {
      const double cap = amax * double{grid.fraction(i)}, scale = cap / 6;
      double error = 0;
      for (size_t k = g; k < g + 16; ++k) {
        const double x = std::fabs(double{values[k]}) / scale;
        double nearest = 6;
        for (const double v : kValues) nearest = std::fabs(v - x) < std::fabs(nearest - x) ? v : nearest;
        error += std::pow(std::fabs(nearest - x) * scale, grid.norm);
      }
      if (error < least) {
        least = error;
        chosen = cap;
      }
    }
    expected = std::max(expected, chosen);
  }
  const MinMax found = statistics_of(args, values).range(args, DType::kBF16);
  EXPECT_NEAR(found.max, expected, 1e-5 * expected);
  EXPECT_EQ(found.min, -found.max);
  EXPECT_LT(found.max, range_of(values).max);  // the search did something
}

TEST(ActivationStatistics, ExpertsWithoutTokensTakeWhatTheOthersSaw) {
  const QuantizationArgs args = observed_by("mse", QuantizationType::kInt);
  const ActivationStatistics seen = statistics_of(args, activations(7), 2);
  ActivationStatistics none;
  EXPECT_TRUE(none.empty());
  none.add(seen);
  EXPECT_EQ(none.range(args, DType::kBF16).max, seen.range(args, DType::kBF16).max);
}

TEST(ActivationStatistics, RangesOfSamples) {
  ActivationStatistics statistics;
  for (const MinMax& sample : {MinMax{-1, 2}, MinMax{-3, 1}, MinMax{0.5, 4}}) statistics.add_sample(sample);
  QuantizationArgs args = observed_by("static_minmax", QuantizationType::kInt);
  EXPECT_EQ(statistics.range(args, DType::kBF16).min, -3);
  EXPECT_EQ(statistics.range(args, DType::kBF16).max, 4);
  args.observer = "minmax";
  args.observer_kwargs = {{"averaging_constant", 0.5}};
  EXPECT_FLOAT_EQ(statistics.range(args, DType::kBF16).min, -0.75);
  EXPECT_FLOAT_EQ(statistics.range(args, DType::kBF16).max, 2.75);
}

TEST(ActivationStatistics, ObserversThatCannotMeasureActivationsAreRefused) {
  QuantizationArgs args = observed_by("imatrix_mse", QuantizationType::kInt);
  EXPECT_THROW(validate_activation_observer(args, "x"), Error);
  for (const char* observer : {"static_minmax", "memoryless_minmax", "minmax", "mse", "memoryless_mse"}) {
    args.observer = observer;
    EXPECT_NO_THROW(validate_activation_observer(args, "x")) << observer;
  }
  args.observer_kwargs = {{"grd", 5}};
  EXPECT_THROW(validate_activation_observer(args, "x"), Error);
}

}  // namespace
}  // namespace tersor
