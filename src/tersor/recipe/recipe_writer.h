// Modifiers as recipe text, in one canonical form.
#pragma once

#include <span>
#include <string>

#include "tersor/recipe/recipe.h"

namespace tersor {

// YAML that parse_recipe() and llm-compressor read as these modifiers. A modifier whose only group is a
// preset is written as `scheme: NAME`, others spell their schemes out.
std::string write_recipe(std::span<const Modifier> modifiers);

}  // namespace tersor
