#include "tersor/modifiers/gptq/signed_scales.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "random_values.h"
#include <gtest/gtest.h>

#include "tersor/quantization/observer.h"
#include "tersor/quantization/qparams.h"

namespace tersor {
namespace {

QuantizationArgs args_of(int bits, int64_t group_size) {
  QuantizationArgs args;
  args.num_bits = bits;
  args.type = QuantizationType::kInt;
  args.symmetric = true;
  args.strategy = group_size > 0 ? Strategy::kGroup : Strategy::kChannel;
  if (group_size > 0) args.group_size = group_size;
  args.observer = "imatrix_mse";
  return args;
}

struct Weight {
  size_t rows, cols;
  std::vector<float> values;
  WeightView view() const {
    return {reinterpret_cast<const std::byte*>(values.data()), DType::kF32, rows, cols};
  }
};

Weight random_weight(size_t rows, size_t cols, unsigned seed) {
  return {rows, cols, normal_values(rows * cols, seed)};
}

std::vector<float> positive_scales(const QuantizationArgs& args, const Weight& w,
                                   const std::vector<float>& costs) {
  const size_t group = args.group_size ? static_cast<size_t>(*args.group_size) : w.cols;
  std::vector<MinMax> ranges(w.values.size() / group);
  cpu_quantize_kernels().mse_groups(w.view(), group, code_spec(args), true, search_storage(args, DType::kF32),
                                    *mse_grid(args), costs.data(), ranges.data());
  QParams qparams;
  compute_qparams(args, DType::kF32, ranges, 0, qparams);
  return qparams.scales;
}

// In double, from the definition.
double loss(const Weight& w, const std::vector<float>& costs, size_t group_size, size_t g, float scale,
            int bits) {
  const double low = -std::pow(2, bits - 1), high = -low - 1;
  double sum = 0;
  for (size_t i = g * group_size; i < (g + 1) * group_size; ++i) {
    const double x = w.values[i], q = std::clamp(std::nearbyint(x / scale), low, high);
    sum += costs[i % w.cols] * std::pow(x - q * scale, 2);
  }
  return sum;
}

TEST(SignedScales, AreThoseThatLoseLess) {
  for (const int bits : {2, 3, 4}) {
    for (const int64_t group_size : {int64_t{16}, int64_t{64}, int64_t{-1}}) {
      const QuantizationArgs args = args_of(bits, group_size);
      const Weight w = random_weight(12, 128, 3);
      std::vector<float> costs(w.cols);
      for (size_t c = 0; c < w.cols; ++c) costs[c] = c % 5 == 0 ? 0.0f : 1.0f / static_cast<float>(c + 1);
      const std::vector<float> positive = positive_scales(args, w, costs);
      std::vector<float> scales = positive;
      choose_signs(args, w.view(), costs, cpu_quantize_kernels(), scales);
      const size_t size = w.values.size() / scales.size();
      size_t negative = 0;
      double before = 0, after = 0;
      for (size_t g = 0; g < scales.size(); ++g) {
        before += loss(w, costs, size, g, positive[g], bits);
        after += loss(w, costs, size, g, scales[g], bits);
        negative += scales[g] < 0;
        EXPECT_TRUE(scales[g] < 0 || scales[g] == positive[g]);
        EXPECT_LE(loss(w, costs, size, g, scales[g], bits),
                  loss(w, costs, size, g, positive[g], bits) * (1 + 1e-6));
      }
      EXPECT_GT(negative, scales.size() / 5) << bits << " " << group_size;
      EXPECT_LT(negative, scales.size() * 4 / 5);
      EXPECT_LT(after, before * (bits == 4 ? 0.95 : 0.9)) << bits << " " << group_size;
    }
  }
}

TEST(SignedScales, FollowTheLongerSide) {
  const QuantizationArgs args = args_of(4, 16);
  const std::vector<float> costs(16, 1.0f);
  Weight w{1, 16, {}};
  for (int i = -7; i <= 8; ++i) w.values.push_back(static_cast<float>(i));  // exact with −1 alone
  std::vector<float> scales = positive_scales(args, w, costs);
  choose_signs(args, w.view(), costs, cpu_quantize_kernels(), scales);
  EXPECT_LT(scales[0], 0);
  for (float& v : w.values) v = -v;
  scales = positive_scales(args, w, costs);
  choose_signs(args, w.view(), costs, cpu_quantize_kernels(), scales);
  EXPECT_GT(scales[0], 0);
}

TEST(SignedScales, ZerosAndUnweighedGroupsKeepTheirs) {
  const QuantizationArgs args = args_of(4, 16);
  Weight w = random_weight(1, 32, 5);
  std::fill_n(w.values.begin(), 16, 0.0f);
  std::vector<float> costs(32, 0.0f);
  std::vector<float> scales = positive_scales(args, w, costs);
  choose_signs(args, w.view(), costs, cpu_quantize_kernels(), scales);
  EXPECT_GT(scales[0], 0);
  EXPECT_GT(scales[1], 0);
}

TEST(SignedScales, AreForWeightOnlyIntsOfFewBits) {
  QuantizationScheme scheme;
  scheme.weights = args_of(4, 128);
  EXPECT_TRUE(takes_signed_scales(scheme, {}));
  const auto without = [&](auto change) {
    QuantizationScheme other = scheme;
    change(other);
    return takes_signed_scales(other, {});
  };
  EXPECT_FALSE(without([](auto& s) { s.weights->num_bits = 8; }));
  EXPECT_FALSE(without([](auto& s) { s.weights->symmetric = false; }));
  EXPECT_FALSE(without([](auto& s) { s.weights->type = QuantizationType::kFloat; }));
  EXPECT_FALSE(without([](auto& s) { s.weights->observer = "memoryless_mse"; }));
  EXPECT_FALSE(without([](auto& s) { s.weights->strategy = Strategy::kBlock; }));
  EXPECT_FALSE(without([](auto& s) { s.input_activations = args_of(8, -1); }));
  EXPECT_FALSE(without([](auto& s) { s.weights.reset(); }));
  EXPECT_FALSE(takes_signed_scales(scheme, {.signed_scales = false}));
}

}  // namespace
}  // namespace tersor
