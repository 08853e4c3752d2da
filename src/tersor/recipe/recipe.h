// Recipes: llm-compressor's YAML, or command-line flags, as an ordered list of modifiers.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tersor/modifiers/quantization/quantization_modifier.h"

namespace tersor {

// A modifier of the recipe. One kind exists so far; the others are known by name and refused with that
// reason.
struct Modifier {
  std::string type;  // "QuantizationModifier"
  QuantizationModifier quantization;
};

struct Recipe {
  std::vector<Modifier> modifiers;  // in file order
  std::string yaml;                 // what recipe.yaml in the output folder holds
};

// Parses recipe text. Strict: an unknown key, modifier, scheme or observer is an Error(kUsage) with
// origin:line:column and the nearest valid names.
Recipe parse_recipe(const std::string& yaml, const std::string& origin);
Recipe read_recipe_file(const std::string& path);

// The same from flags.
struct RecipeFlags {
  std::string scheme;                // preset name
  std::vector<std::string> targets;  // empty: ["Linear"]
  std::vector<std::string> ignore;
  std::string observer;         // of weights; empty: the preset's
  std::string kv_cache_scheme;  // unused when empty
};
Recipe recipe_from_flags(const RecipeFlags& flags);

// Overrides of a preset's sizes (`--group-size`, `--block-structure`) on every scheme of the recipe that has
// them; keeps recipe.yaml true.
struct SizeOverrides {
  std::optional<int64_t> group_size;
  std::optional<std::array<int64_t, 2>> block_structure;
};
void apply_overrides(Recipe& recipe, const SizeOverrides& overrides);

}  // namespace tersor
