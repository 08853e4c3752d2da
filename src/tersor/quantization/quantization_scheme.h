// What happens to the modules that a set of targets names: weights, activations, storage format.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/quantization/quantization_args.h"

namespace tersor {

// On-disk formats, named in config.json by format_name().
enum class Format { kDense, kNaive, kInt, kFloat, kPack, kNvfp4Pack, kMxfp4Pack, kMxfp8 };

std::string_view format_name(Format format);  // "pack-quantized", …
std::optional<Format> format_from_name(std::string_view name);

struct QuantizationScheme {
  std::vector<std::string> targets;
  std::optional<QuantizationArgs> weights;
  std::optional<QuantizationArgs> input_activations;
  std::optional<QuantizationArgs> output_activations;
  std::optional<Format> format;  // as the recipe asked; null: loadable_format()

  bool operator==(const QuantizationScheme&) const = default;
};

// The format that vLLM can load for this scheme (which is not always the one that compressed-tensors would
// infer: int weights below 8 bits with activations, and W4AFP8, are packed). W4A8 stays int-quantized.
Format loadable_format(const QuantizationScheme& scheme);
// The format the scheme is written in: its own, else the loadable one.
Format format_of(const QuantizationScheme& scheme);

// Throws Error(kUsage) when a part is not valid, when weights or activations have a strategy that only the
// other can have, or when the format asked for cannot hold the weights. `where` as for validate(args).
void validate(const QuantizationScheme& scheme, const std::string& where);

// Preset schemes by name, upper or lower case ("W4A16", "FP8_BLOCK", …), targets empty.
std::optional<QuantizationScheme> preset_scheme(std::string_view name);
std::vector<std::string> preset_scheme_names();

}  // namespace tersor
