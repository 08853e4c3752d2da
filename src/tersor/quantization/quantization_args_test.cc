#include "tersor/quantization/quantization_args.h"

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {
namespace {

using ::testing::HasSubstr;

TEST(QuantizationArgs, CodeRanges) {
  QuantizationArgs args;
  for (int bits = 1; bits <= 8; ++bits) {
    args.num_bits = bits;
    EXPECT_EQ(code_range(args).min, -std::exp2(bits - 1));
    EXPECT_EQ(code_range(args).max, std::exp2(bits - 1) - 1);
  }
  args.type = QuantizationType::kFloat;
  EXPECT_EQ(code_range(args).max, 448);
  args.num_bits = 4;
  EXPECT_EQ(code_range(args).min, -6);
}

TEST(QuantizationArgs, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(Strategy::kAttnHead); ++i) {
    const auto strategy = static_cast<Strategy>(i);
    EXPECT_EQ(strategy_from(to_string(strategy)), strategy);
  }
  EXPECT_EQ(strategy_from("Tensor_Group"), Strategy::kTensorGroup);
  EXPECT_EQ(strategy_from("tensor_groups"), std::nullopt);
  EXPECT_EQ(strategy_from("tensor_grou"), std::nullopt);
  EXPECT_EQ(strategy_from(""), std::nullopt);
  EXPECT_EQ(quantization_type_from("FLOAT"), QuantizationType::kFloat);
  EXPECT_EQ(quantization_type_from("fp8"), std::nullopt);
}

TEST(QuantizationArgs, MxIsToldFromPlainGroups) {
  EXPECT_TRUE(is_mx(*preset_scheme("MXFP4")->weights));
  EXPECT_TRUE(is_mx(*preset_scheme("MXFP8")->input_activations));
  EXPECT_FALSE(is_mx(*preset_scheme("NVFP4")->weights));
  QuantizationArgs args = *preset_scheme("MXFP8")->weights;
  args.scale_dtype = std::nullopt;
  EXPECT_FALSE(is_mx(args)) << "fp8 in groups of 32 with float scales is not MXFP8";
  args.num_bits = 4;
  EXPECT_TRUE(is_mx(args));
  args.type = QuantizationType::kInt;
  EXPECT_FALSE(is_mx(args));
}

// One contradiction each, with the words its message must hold.
struct Contradiction {
  const char* preset;
  std::function<void(QuantizationArgs&)> change;
  const char* message;
};

TEST(QuantizationArgs, ContradictionsAreRefusedByName) {
  const Contradiction kCases[] = {
      {"W4A16", [](auto& a) { a.num_bits = 0; }, "num_bits is 0"},
      {"W4A16", [](auto& a) { a.num_bits = 9; }, "num_bits is 9"},
      {"FP8", [](auto& a) { a.num_bits = 6; }, "num_bits is 6"},
      {"FP8", [](auto& a) { a.symmetric = false; }, "no zero point"},
      {"W4A16_ASYM", [](auto& a) { a.zp_dtype = DType::kF8E4M3; }, "zp_dtype is torch.float8_e4m3fn"},
      {"W4A16", [](auto& a) { a.group_size = std::nullopt; }, "needs a group_size"},
      {"W4A16", [](auto& a) { a.group_size = 0; }, "group_size is 0"},
      {"W4A16", [](auto& a) { a.group_size = -1; }, "group_size is -1"},
      {"W8A8", [](auto& a) { a.group_size = 128; }, "strategy `channel` has no groups"},
      {"FP8_BLOCK", [](auto& a) { a.block_structure = std::nullopt; }, "needs a block_structure"},
      {"FP8_BLOCK", [](auto& a) { a.block_structure = {128, 0}; }, "[128, 0]"},
      {"FP8", [](auto& a) { a.block_structure = {1, 1}; }, "has no blocks"},
      {"FP8", [](auto& a) { a.strategy = Strategy::kToken; }, "run time only"},
      {"FP8", [](auto& a) { a.dynamic = Dynamic::kLocal; }, "`local`"},
      {"W8A8", [](auto& a) { a.dynamic = Dynamic::kTrue; }, "`channel` cannot be dynamic"},
      {"W8A8", [](auto& a) { a.actorder = ActOrder::kGroup; }, "actorder `group`"},
      {"NVFP4", [](auto& a) { a.group_size = 32; }, "`tensor_group` is that of NVFP4"},
      {"NVFP4", [](auto& a) { a.type = QuantizationType::kInt; }, "`tensor_group` is that of NVFP4"},
      {"MXFP4", [](auto& a) { a.group_size = 64; }, "torch.uint8 is that of MXFP4"},
      {"FP8", [](auto& a) { a.scale_dtype = DType::kF8E4M3; }, "that of NVFP4"},
      {"FP8", [](auto& a) { a.scale_dtype = DType::kI64; }, "torch.int64 holds no scales"},
  };
  for (const Contradiction& c : kCases) {
    QuantizationArgs args = *preset_scheme(c.preset)->weights;
    EXPECT_NO_THROW(validate(args, "here"));
    c.change(args);
    try {
      validate(args, "group_0.weights");
      ADD_FAILURE() << c.preset << ": expected `" << c.message << "`";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage);
      EXPECT_THAT(e.what(), HasSubstr(c.message));
      EXPECT_THAT(e.what(), HasSubstr("group_0.weights: "));
      EXPECT_FALSE(e.help().empty()) << e.what();
    }
  }
}

}  // namespace
}  // namespace tersor
