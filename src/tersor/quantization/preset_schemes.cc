// The preset schemes, one line each: the names and arguments of compressed-tensors 0.19.
#include <algorithm>
#include <array>
#include <cctype>

#include "tersor/quantization/quantization_scheme.h"

namespace tersor {
namespace {

QuantizationArgs int_weights(int bits, bool symmetric = true) {
  QuantizationArgs args;
  args.num_bits = bits;
  args.symmetric = symmetric;
  args.strategy = Strategy::kGroup;
  args.group_size = 128;
  if (!symmetric) args.zp_dtype = DType::kI8;
  args.observer = "memoryless_minmax";
  return args;
}

QuantizationArgs weights_of(QuantizationType type, int bits, Strategy strategy) {
  QuantizationArgs args;
  args.num_bits = bits;
  args.type = type;
  args.strategy = strategy;
  args.observer = "memoryless_minmax";
  return args;
}

QuantizationArgs int8_channel() { return weights_of(QuantizationType::kInt, 8, Strategy::kChannel); }
QuantizationArgs fp8_tensor() { return weights_of(QuantizationType::kFloat, 8, Strategy::kTensor); }
QuantizationArgs fp8_channel() { return weights_of(QuantizationType::kFloat, 8, Strategy::kChannel); }

QuantizationArgs fp8_block() {
  QuantizationArgs args = weights_of(QuantizationType::kFloat, 8, Strategy::kBlock);
  args.block_structure = {128, 128};
  return args;
}

QuantizationArgs nvfp4() {
  QuantizationArgs args = weights_of(QuantizationType::kFloat, 4, Strategy::kTensorGroup);
  args.group_size = 16;
  args.scale_dtype = DType::kF8E4M3;
  return args;
}

QuantizationArgs mx(int bits) {
  QuantizationArgs args = weights_of(QuantizationType::kFloat, bits, Strategy::kGroup);
  args.group_size = 32;
  args.scale_dtype = DType::kU8;
  return args;
}

// Activations whose scales are computed at run time: one per token, or per group of `weights`' kind.
QuantizationArgs per_token(QuantizationType type, int bits) {
  QuantizationArgs args = weights_of(type, bits, Strategy::kToken);
  args.dynamic = Dynamic::kTrue;
  args.observer = std::nullopt;
  return args;
}

QuantizationArgs int_token(int bits) { return per_token(QuantizationType::kInt, bits); }
QuantizationArgs fp8_token() { return per_token(QuantizationType::kFloat, 8); }

QuantizationArgs fp8_group128() {
  QuantizationArgs args = fp8_token();
  args.strategy = Strategy::kGroup;
  args.group_size = 128;
  return args;
}

QuantizationArgs mx_dynamic(int bits) {
  QuantizationArgs args = mx(bits);
  args.dynamic = Dynamic::kTrue;
  args.observer = std::nullopt;
  return args;
}

// Activations whose scales come from calibration.
QuantizationArgs fp8_static() {
  QuantizationArgs args = fp8_tensor();
  args.observer = "static_minmax";
  return args;
}

QuantizationArgs nvfp4_local() {
  QuantizationArgs args = nvfp4();
  args.dynamic = Dynamic::kLocal;
  args.observer = "static_minmax";
  return args;
}

struct Preset {
  std::string_view name;
  std::optional<QuantizationArgs> weights;
  std::optional<QuantizationArgs> input_activations = std::nullopt;
};

// Common names first, as lists and messages show them.
const std::vector<Preset>& presets() {
  static const std::vector<Preset> kPresets = {
      {"W4A16", int_weights(4)},
      {"W4A16_ASYM", int_weights(4, /*symmetric=*/false)},
      {"W8A16", int_weights(8)},
      {"W8A8", int8_channel(), int_token(8)},
      {"INT8", int8_channel(), int_token(8)},  // another name of W8A8
      {"W4A8", int_weights(4), int_token(8)},
      {"W4AFP8", int_weights(4), fp8_token()},
      {"FP8", fp8_tensor(), fp8_static()},
      {"FP8_DYNAMIC", fp8_channel(), fp8_token()},
      {"FP8_BLOCK", fp8_block(), fp8_group128()},
      {"NVFP4", nvfp4(), nvfp4_local()},
      {"NVFP4A16", nvfp4()},
      {"MXFP4", mx(4), mx_dynamic(4)},
      {"MXFP4A16", mx(4)},
      {"MXFP8", mx(8), mx_dynamic(8)},
      {"MXFP8A16", mx(8)},
      {"W2A4", int_weights(2), int_token(4)},
      {"W2A8", int_weights(2), int_token(8)},
      {"W2A16", int_weights(2)},
      {"W3A4", int_weights(3), int_token(4)},
      {"W3A8", int_weights(3), int_token(8)},
      {"W3A16", int_weights(3)},
      {"W4A4", int_weights(4), int_token(4)},
      {"W5A8", int_weights(5), int_token(8)},
      {"W5A16", int_weights(5)},
      {"W6A8", int_weights(6), int_token(8)},
      {"W6A16", int_weights(6)},
      {"W7A8", int_weights(7), int_token(8)},
      {"W7A16", int_weights(7)},
      {"UNQUANTIZED", std::nullopt},
  };
  return kPresets;
}

}  // namespace

std::optional<QuantizationScheme> preset_scheme(std::string_view name) {
  auto equal = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
  for (const Preset& preset : presets()) {
    if (!std::equal(name.begin(), name.end(), preset.name.begin(), preset.name.end(), equal)) continue;
    QuantizationScheme scheme;
    scheme.weights = preset.weights;
    scheme.input_activations = preset.input_activations;
    return scheme;
  }
  return std::nullopt;
}

std::vector<std::string> preset_scheme_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  return names;
}

}  // namespace tersor
