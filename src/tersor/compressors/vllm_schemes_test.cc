#include "tersor/compressors/vllm_schemes.h"

#include <string>

#include <gtest/gtest.h>

namespace tersor {
namespace {

QuantizationScheme preset(const std::string& name, std::optional<Format> format = std::nullopt) {
  QuantizationScheme scheme = *preset_scheme(name);
  scheme.format = format;
  return scheme;
}

std::string served_by(const QuantizationScheme& scheme) {
  const auto found = vllm_scheme_for(scheme);
  return found ? std::string(found->name) : "none";
}

// What vLLM 0.32.0 logged as the scheme of each when it loaded such checkpoints, or that it found none.
TEST(VllmSchemes, AsLoaded) {
  QuantizationScheme w4a16_channel = preset("W4A16");
  w4a16_channel.weights->strategy = Strategy::kChannel;
  w4a16_channel.weights->group_size.reset();
  QuantizationScheme w8a16_asym = preset("W8A16");
  w8a16_asym.weights->symmetric = false;
  QuantizationScheme w4a8_channel = preset("W4A8");
  w4a8_channel.weights->strategy = Strategy::kChannel;
  w4a8_channel.weights->group_size.reset();
  QuantizationScheme w8a8_static = preset("W8A8");
  w8a8_static.input_activations->strategy = Strategy::kTensor;
  w8a8_static.input_activations->dynamic = Dynamic::kFalse;
  QuantizationScheme w8a8_asym_input = preset("W8A8");
  w8a8_asym_input.input_activations->symmetric = false;
  QuantizationScheme w4a8_pack_asym_input = preset("W4A8", Format::kPack);
  w4a8_pack_asym_input.input_activations->symmetric = false;
  QuantizationScheme fp8_weight_only = preset("FP8_DYNAMIC");
  fp8_weight_only.input_activations.reset();
  QuantizationScheme fp8_token = preset("FP8");
  fp8_token.input_activations = preset("FP8_DYNAMIC").input_activations;
  QuantizationScheme fp8_block64 = preset("FP8_BLOCK");
  fp8_block64.weights->block_structure = {64, 64};

  EXPECT_EQ(served_by(preset("W4A16")), "WNA16");
  EXPECT_EQ(served_by(preset("W4A16_ASYM")), "WNA16");
  EXPECT_EQ(served_by(preset("W3A16")), "WNA16");
  EXPECT_EQ(served_by(w4a16_channel), "WNA16");
  EXPECT_EQ(served_by(w8a16_asym), "WNA16");
  EXPECT_EQ(served_by(preset("W4A8", Format::kInt)), "W4A8Int");
  EXPECT_EQ(served_by(w4a8_channel), "W4A8Int");
  EXPECT_EQ(served_by(preset("W4A8", Format::kPack)), "WNA8Int");
  EXPECT_EQ(served_by(preset("W8A8")), "W8A8Int8");
  EXPECT_EQ(served_by(w8a8_static), "W8A8Int8");
  EXPECT_EQ(served_by(w8a8_asym_input), "W8A8Int8");
  EXPECT_EQ(served_by(preset("W4A4", Format::kInt)), "none");
  EXPECT_EQ(served_by(preset("W2A8", Format::kInt)), "none");
  EXPECT_EQ(served_by(w4a8_pack_asym_input), "none");
  EXPECT_EQ(served_by(preset("FP8")), "W8A8Fp8");
  EXPECT_EQ(served_by(preset("FP8_DYNAMIC")), "W8A8Fp8");
  EXPECT_EQ(served_by(fp8_token), "W8A8Fp8");
  EXPECT_EQ(served_by(fp8_block64), "W8A8Fp8");
  EXPECT_EQ(served_by(fp8_weight_only), "W8A16Fp8");
  EXPECT_EQ(served_by(preset("NVFP4")), "W4A4Fp4");
  EXPECT_EQ(served_by(preset("NVFP4A16")), "W4A4Fp4");
  EXPECT_EQ(served_by(preset("MXFP4")), "W4A4Mxfp4");
  EXPECT_EQ(served_by(preset("MXFP4A16")), "W4A4Mxfp4");
  EXPECT_EQ(served_by(preset("MXFP8")), "W8A8Mxfp8");
  EXPECT_EQ(served_by(preset("MXFP8A16")), "W8A8Mxfp8");
}

// On compute capability 9.0, and nowhere else.
TEST(VllmSchemes, Int4WithFp8ActivationsNeedsOneCapability) {
  const auto found = vllm_scheme_for(preset("W4AFP8"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->implementation, VllmImplementation::kW4A8Fp8);
  EXPECT_EQ(found->min_capability, 90);
  EXPECT_TRUE(found->only_that_capability);
  EXPECT_TRUE(reads_format(found->implementation, preset("W4AFP8")));
  EXPECT_FALSE(reads_format(found->implementation, preset("W4AFP8", Format::kInt)));
}

TEST(VllmSchemes, FurtherRows) {
  EXPECT_EQ(served_by(preset("W4A4")), "WNA4Int");
  EXPECT_EQ(served_by(preset("W7A8")), "WNA8Int");
  QuantizationScheme mxfp4_fp8 = preset("MXFP4A16");
  mxfp4_fp8.input_activations = preset("FP8_DYNAMIC").input_activations;
  EXPECT_EQ(served_by(mxfp4_fp8), "W4A8Mxfp4");
  QuantizationScheme nvfp4_fp8 = preset("NVFP4A16");
  nvfp4_fp8.input_activations = preset("FP8_DYNAMIC").input_activations;
  EXPECT_EQ(served_by(nvfp4_fp8), "none");
  QuantizationScheme fp8_group = preset("MXFP8A16");
  fp8_group.weights->scale_dtype.reset();
  fp8_group.weights->group_size = 64;
  EXPECT_EQ(served_by(fp8_group), "none");
  QuantizationScheme int8_in_and_out = preset("W4A16");
  int8_in_and_out.input_activations = preset("W8A8").input_activations;
  int8_in_and_out.input_activations->strategy = Strategy::kTensor;
  int8_in_and_out.input_activations->dynamic = Dynamic::kFalse;
  int8_in_and_out.output_activations = int8_in_and_out.input_activations;
  int8_in_and_out.format = Format::kPack;
  EXPECT_EQ(served_by(int8_in_and_out), "WNA8O8Int");
  QuantizationScheme int_tensor = preset("W8A16");
  int_tensor.weights->strategy = Strategy::kTensor;
  int_tensor.weights->group_size.reset();
  EXPECT_EQ(served_by(int_tensor), "none");
}

// Every preset in the format it is written in is read by what serves it.
TEST(VllmSchemes, PresetsAreReadAsWritten) {
  for (const std::string& name : preset_scheme_names()) {
    const QuantizationScheme scheme = preset(name);
    if (!scheme.weights) continue;
    const auto found = vllm_scheme_for(scheme);
    ASSERT_TRUE(found) << name;
    EXPECT_TRUE(reads_format(found->implementation, scheme)) << name;
  }
}

TEST(VllmSchemes, Experts) {
  auto served = [](const QuantizationScheme& scheme) {
    const auto found = vllm_moe_scheme_for(scheme);
    return found ? std::string(found->name) : "none";
  };
  EXPECT_EQ(served(preset("W4A16")), "WNA16MoE");
  EXPECT_EQ(served(preset("W4A16_ASYM")), "WNA16MoE");
  EXPECT_EQ(served(preset("W8A16", Format::kInt)), "none");
  EXPECT_EQ(served(preset("NVFP4")), "W4A4Nvfp4MoE");
  EXPECT_EQ(served(preset("MXFP4")), "W4A4Mxfp4MoE");
  EXPECT_EQ(served(preset("MXFP8")), "W8A8Mxfp8MoE");
  EXPECT_EQ(served(preset("FP8")), "W8A8Fp8MoE");
  EXPECT_EQ(served(preset("FP8_DYNAMIC")), "W8A8Fp8MoE");
  EXPECT_EQ(served(preset("FP8_BLOCK")), "W8A8Fp8MoE");
  EXPECT_EQ(served(preset("W8A8")), "W8A8Int8MoE");
  EXPECT_EQ(served(preset("W4AFP8")), "W4A8Fp8MoE");
  EXPECT_EQ(served(preset("W4A8")), "W4A8Int8MoE");
  EXPECT_EQ(served(preset("W4A4")), "none");
  QuantizationScheme channel_static = preset("FP8_DYNAMIC");
  channel_static.input_activations = preset("FP8").input_activations;
  EXPECT_EQ(served(channel_static), "none");
  QuantizationScheme weight_only = preset("FP8_DYNAMIC");
  weight_only.input_activations.reset();
  EXPECT_EQ(served(weight_only), "none");
  QuantizationScheme int8_static = preset("W8A8");
  int8_static.input_activations->strategy = Strategy::kTensor;
  int8_static.input_activations->dynamic = Dynamic::kFalse;
  EXPECT_EQ(served(int8_static), "none");
}

}  // namespace
}  // namespace tersor
