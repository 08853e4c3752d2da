// compressed-tensors' QuantizationArgs and QuantizationScheme as recipes write them.
//
// Field names, defaults and inference are those of its pydantic models (compressed-tensors 0.19,
// quantization/quant_args.py and quant_scheme.py).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tersor/quantization/quantization_scheme.h"
#include "tersor/recipe/yaml_fields.h"

namespace tersor {

// One QuantizationArgs. An observer is set only where the recipe sets one. `what` names the value in errors:
// "attn.weights".
QuantizationArgs read_args(const RecipeSource& source, const std::string& what, const YamlNode& node);

// One entry of config_groups, named `name`; valid except for observers, which the modifier has a say on.
QuantizationScheme read_scheme(RecipeSource& source, const std::string& name, const YamlNode& node);

// The preset's name in upper case. Throws Error(kUsage) for an unknown one; `prefix` opens the message: "" or
// "recipe.yaml:7:5: ".
std::string preset_name(std::string_view prefix, std::string_view name);

// `actorder`: static, or weight, which is the same. `group` and `dynamic` are refused with the reason.
std::optional<ActOrder> read_actorder(const RecipeSource& source, const YamlNode& node);

}  // namespace tersor
