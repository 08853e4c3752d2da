#include "tersor/quantization/quantization_scheme.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// In the enumerators' order.
constexpr std::array<std::string_view, 8> kFormatNames = {
    "dense",          "naive-quantized",      "int-quantized",        "float-quantized",
    "pack-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mxfp8-quantized"};

// vLLM 0.32 runs int8 codes (int-quantized) for two kinds of weights only, both symmetric: 8 bits with one
// scale per tensor or row, and 4 bits with one per row or group. Block scales fit no packed layout.
bool has_int_quantized_kernel(const QuantizationArgs& weights, const QuantizationArgs& input) {
  if (!weights.symmetric || input.type != QuantizationType::kInt || input.num_bits != 8) return false;
  if (weights.num_bits == 8) {
    return weights.strategy == Strategy::kTensor || weights.strategy == Strategy::kChannel;
  }
  return weights.num_bits == 4 &&
         (weights.strategy == Strategy::kChannel || weights.strategy == Strategy::kGroup);
}

bool holds(Format format, const QuantizationArgs& weights) {
  const bool is_int = weights.type == QuantizationType::kInt;
  switch (format) {
    case Format::kDense:
      return false;
    case Format::kNaive:
      return is_int || (weights.num_bits == 8 && !is_mx(weights));
    case Format::kInt:
      return is_int;
    case Format::kFloat:
      return !is_int && weights.num_bits == 8 && !is_mx(weights);
    case Format::kPack:
      return is_int && weights.strategy != Strategy::kBlock;
    case Format::kNvfp4Pack:
      return weights.strategy == Strategy::kTensorGroup;
    case Format::kMxfp4Pack:
      return is_mx(weights) && weights.num_bits == 4;
    case Format::kMxfp8:
      return is_mx(weights) && weights.num_bits == 8;
  }
  return false;
}

void validate_weights(const QuantizationArgs& weights, const std::string& where) {
  validate(weights, where);
  if (weights.dynamic != Dynamic::kFalse) {
    throw usage_error(fmt::format("{}: weights are quantized once, so they cannot be dynamic", where),
                      "set dynamic: false");
  }
  if (weights.strategy == Strategy::kAttnHead) {
    throw usage_error(fmt::format("{}: strategy `attn_head` is for keys and values, not for weights", where),
                      "use strategy: tensor, channel, group or block");
  }
  if (weights.type == QuantizationType::kFloat && weights.num_bits == 4 && !is_mx(weights) &&
      weights.strategy != Strategy::kTensorGroup) {
    throw usage_error(
        fmt::format(
            "{}: float weights of 4 bits exist as NVFP4 (strategy tensor_group, group_size 16) and as "
            "MXFP4 (strategy group, group_size 32, scale_dtype torch.uint8)",
            where),
        "use the scheme NVFP4A16 or MXFP4A16");
  }
}

void validate_activations(const QuantizationArgs& activations, const std::string& where) {
  validate(activations, where);
  if (activations.strategy == Strategy::kChannel || activations.strategy == Strategy::kBlock) {
    throw usage_error(fmt::format("{}: strategy `{}` is for weights", where, to_string(activations.strategy)),
                      "use strategy: token (dynamic), tensor or group");
  }
  if (activations.actorder) {
    throw usage_error(fmt::format("{}: actorder orders the columns of weights; activations have none", where),
                      "leave actorder out");
  }
}

}  // namespace

std::string_view format_name(Format format) { return kFormatNames[static_cast<size_t>(format)]; }

std::optional<Format> format_from_name(std::string_view name) {
  const auto found = std::find(kFormatNames.begin(), kFormatNames.end(), name);
  if (found == kFormatNames.end()) return std::nullopt;
  return static_cast<Format>(found - kFormatNames.begin());
}

Format loadable_format(const QuantizationScheme& scheme) {
  if (!scheme.weights) return Format::kDense;
  const QuantizationArgs& weights = *scheme.weights;
  if (weights.type == QuantizationType::kFloat) {
    if (is_mx(weights)) return weights.num_bits == 4 ? Format::kMxfp4Pack : Format::kMxfp8;
    if (weights.strategy == Strategy::kTensorGroup) return Format::kNvfp4Pack;
    return scheme.input_activations ? Format::kFloat : Format::kNaive;
  }
  if (weights.strategy == Strategy::kBlock) return Format::kInt;
  if (scheme.input_activations && has_int_quantized_kernel(weights, *scheme.input_activations)) {
    return Format::kInt;
  }
  return Format::kPack;
}

Format format_of(const QuantizationScheme& scheme) { return scheme.format.value_or(loadable_format(scheme)); }

void validate(const QuantizationScheme& scheme, const std::string& where) {
  if (scheme.weights) validate_weights(*scheme.weights, where + ".weights");
  if (scheme.input_activations) validate_activations(*scheme.input_activations, where + ".input_activations");
  if (scheme.output_activations)
    validate_activations(*scheme.output_activations, where + ".output_activations");
  if (scheme.format && *scheme.format != Format::kDense && !scheme.weights) {
    throw usage_error(
        fmt::format("{}: format is `{}`, but no weights are quantized", where, format_name(*scheme.format)),
        "add weights, or leave format out");
  }
  if (scheme.format && scheme.weights && !holds(*scheme.format, *scheme.weights)) {
    throw usage_error(fmt::format("{}: the format `{}` cannot hold {}-bit {} weights of strategy `{}`", where,
                                  format_name(*scheme.format), scheme.weights->num_bits,
                                  to_string(scheme.weights->type), to_string(scheme.weights->strategy)),
                      fmt::format("leave format out: it is then `{}`", format_name(loadable_format(scheme))));
  }
}

}  // namespace tersor
