// QuantizationModifier as recipes write it: presets expanded, observers chosen, every scheme validated.
//
// Fields are those of llm-compressor 0.14 (modifiers/quantization/quantization/mixin.py and
// modifiers/modifier.py).
#pragma once

#include "tersor/modifiers/quantization/quantization_modifier.h"
#include "tersor/recipe/yaml_fields.h"

namespace tersor {

QuantizationModifier read_quantization_modifier(RecipeSource& source, const YamlNode& node);

}  // namespace tersor
