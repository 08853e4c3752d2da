#include "tersor/quantization/quantization_scheme.h"

#include <cctype>
#include <cstdio>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

using ::testing::HasSubstr;

TEST(PresetSchemes, EveryNameIsValidInAnyCase) {
  const std::vector<std::string> names = preset_scheme_names();
  EXPECT_EQ(names.size(), 30u);
  for (const std::string& name : names) {
    const auto scheme = preset_scheme(name);
    ASSERT_TRUE(scheme) << name;
    EXPECT_NO_THROW(validate(*scheme, name)) << name;
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(preset_scheme(lower), scheme);
  }
  EXPECT_FALSE(preset_scheme("W4A17"));
  EXPECT_FALSE(preset_scheme("W4A1"));
  EXPECT_FALSE(preset_scheme(""));
}

TEST(PresetSchemes, IntegerNamesSayTheirBits) {
  for (const std::string& name : preset_scheme_names()) {
    int weight_bits = 0;
    int activation_bits = 0;
    if (std::sscanf(name.c_str(), "W%dA%d", &weight_bits, &activation_bits) != 2) continue;
    const auto scheme = preset_scheme(name);
    EXPECT_EQ(scheme->weights->num_bits, weight_bits) << name;
    EXPECT_EQ(scheme->weights->type, QuantizationType::kInt) << name;
    EXPECT_EQ(scheme->input_activations.has_value(), activation_bits < 16) << name;
    if (activation_bits < 16) {
      EXPECT_EQ(scheme->input_activations->num_bits, activation_bits) << name;
      EXPECT_EQ(scheme->input_activations->strategy, Strategy::kToken) << name;
      EXPECT_EQ(scheme->input_activations->observer, std::nullopt) << name;
    }
    EXPECT_EQ(scheme->weights->group_size, name == "W8A8" ? std::nullopt : std::optional<int64_t>(128))
        << name;
  }
  EXPECT_EQ(preset_scheme("INT8"), preset_scheme("W8A8"));
  EXPECT_FALSE(preset_scheme("W4A16_ASYM")->weights->symmetric);
  EXPECT_FALSE(preset_scheme("UNQUANTIZED")->weights);
}

// What vLLM 0.32 loads each preset from.
TEST(LoadableFormat, OfEveryPreset) {
  const std::map<std::string, Format> kSpecial = {
      {"UNQUANTIZED", Format::kDense}, {"W8A8", Format::kInt},           {"INT8", Format::kInt},
      {"W4A8", Format::kInt},          {"FP8", Format::kFloat},          {"FP8_DYNAMIC", Format::kFloat},
      {"FP8_BLOCK", Format::kFloat},   {"NVFP4", Format::kNvfp4Pack},    {"NVFP4A16", Format::kNvfp4Pack},
      {"MXFP4", Format::kMxfp4Pack},   {"MXFP4A16", Format::kMxfp4Pack}, {"MXFP8", Format::kMxfp8},
      {"MXFP8A16", Format::kMxfp8}};
  for (const std::string& name : preset_scheme_names()) {
    const auto special = kSpecial.find(name);
    const Format expected = special == kSpecial.end() ? Format::kPack : special->second;
    EXPECT_EQ(format_name(loadable_format(*preset_scheme(name))), format_name(expected)) << name;
  }
}

TEST(LoadableFormat, IntegerWeightsWithoutAnInt8KernelArePacked) {
  QuantizationScheme scheme = *preset_scheme("W8A8");
  scheme.weights->symmetric = false;
  EXPECT_EQ(loadable_format(scheme), Format::kPack);
  scheme = *preset_scheme("W8A16");
  scheme.input_activations = preset_scheme("W8A8")->input_activations;
  EXPECT_EQ(loadable_format(scheme), Format::kPack) << "8 bits in groups";
  scheme = *preset_scheme("FP8_DYNAMIC");
  scheme.input_activations = std::nullopt;
  EXPECT_EQ(loadable_format(scheme), Format::kNaive);
  scheme.format = Format::kFloat;
  EXPECT_EQ(format_of(scheme), Format::kFloat);
}

TEST(Format, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(Format::kMxfp8); ++i) {
    const auto format = static_cast<Format>(i);
    EXPECT_EQ(format_from_name(format_name(format)), format);
  }
  EXPECT_EQ(format_name(Format::kMxfp8), "mxfp8-quantized");
  EXPECT_EQ(format_from_name("mixed-precision"), std::nullopt);
  EXPECT_EQ(format_from_name("marlin-24"), std::nullopt);
}

TEST(QuantizationScheme, RefusesWhatNoFormatHolds) {
  auto message = [](const QuantizationScheme& scheme) -> std::string {
    try {
      validate(scheme, "group_1");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage);
      EXPECT_FALSE(e.help().empty());
      return e.what();
    }
    return "";
  };
  QuantizationScheme scheme = *preset_scheme("FP8");
  scheme.format = Format::kPack;
  EXPECT_THAT(message(scheme), HasSubstr("`pack-quantized` cannot hold 8-bit float weights"));
  scheme.format = Format::kNaive;
  EXPECT_EQ(message(scheme), "");
  scheme = *preset_scheme("W4A16");
  scheme.weights->dynamic = Dynamic::kTrue;
  EXPECT_THAT(message(scheme), HasSubstr("group_1.weights: "));
  scheme = *preset_scheme("MXFP4A16");
  scheme.weights->group_size = 64;
  scheme.weights->scale_dtype = std::nullopt;
  EXPECT_THAT(message(scheme), HasSubstr("NVFP4"));
  scheme = *preset_scheme("W8A8");
  scheme.input_activations->strategy = Strategy::kChannel;
  scheme.input_activations->dynamic = Dynamic::kFalse;
  EXPECT_THAT(message(scheme), HasSubstr("group_1.input_activations: strategy `channel` is for weights"));
  scheme = *preset_scheme("UNQUANTIZED");
  scheme.format = Format::kInt;
  EXPECT_THAT(message(scheme), HasSubstr("no weights are quantized"));
}

}  // namespace
}  // namespace tersor
