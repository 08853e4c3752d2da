// QuantizationModifier and GPTQModifier as recipes write them: presets expanded, observers chosen, every
// scheme validated.
//
// Fields are those of llm-compressor 0.14 (modifiers/quantization/quantization/mixin.py and
// modifiers/modifier.py).
#pragma once

#include "tersor/modifiers/gptq/gptq_modifier.h"
#include "tersor/modifiers/quantization/quantization_modifier.h"
#include "tersor/recipe/yaml_fields.h"

namespace tersor {

QuantizationModifier read_quantization_modifier(RecipeSource& source, const YamlNode& node);

struct GptqModifier {
  QuantizationModifier quantization;
  GptqParameters parameters;
};
// The arguments of GPTQModifier, the same way. Sets the actorder of its schemes' weights.
GptqModifier read_gptq_modifier(RecipeSource& source, const YamlNode& node);

}  // namespace tersor
