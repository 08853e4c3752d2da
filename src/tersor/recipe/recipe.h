// Recipes: llm-compressor's YAML, or command-line flags, as an ordered list of modifiers.
//
//   default_stage:                    any number of *_stage, run in file order
//     default_modifiers:              any number of *_modifiers
//       QuantizationModifier:
//         scheme: W4A16               or config_groups: {name: {targets, weights, …}}
//         targets: [Linear]
//         ignore: [lm_head]
//
// What llm-compressor 0.14 accepts is accepted; what it would ignore without a word is an error.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tersor/modifiers/gptq/gptq_modifier.h"
#include "tersor/modifiers/quantization/quantization_modifier.h"

namespace tersor {

// A modifier of the recipe. Those that do not exist yet are known by name and refused with that reason.
struct Modifier {
  std::string type;               // "QuantizationModifier" or "GPTQModifier"
  std::string stage = "default";  // without "_stage"
  std::string group = "default";  // without "_modifiers"
  QuantizationModifier quantization;
  std::optional<GptqParameters> gptq;  // how weights are rounded; null: to nearest
};

struct Recipe {
  std::vector<Modifier> modifiers;  // in file order
  std::string yaml;                 // what recipe.yaml in the output folder holds; llm-compressor can read it
};

// Parses recipe text, YAML or JSON. Strict: an unknown key, modifier, scheme or observer is an Error(kUsage)
// with origin:line:column and the nearest valid names. `yaml` is the text itself where llm-compressor can
// read it, else (Python tags, which it writes and cannot read) the same recipe written anew.
Recipe parse_recipe(const std::string& yaml, const std::string& origin);
// The same from a file; of a Markdown file (.md), its front matter.
Recipe read_recipe_file(const std::string& path);

// The same from flags.
struct RecipeFlags {
  std::string scheme;                // preset name
  std::vector<std::string> targets;  // empty: ["Linear"]
  std::vector<std::string> ignore;
  std::string observer;                 // of weights; empty: the preset's
  std::string kv_cache_scheme;          // "fp8"; empty: none
  std::string method = {};              // "rtn" or "gptq"; empty: rtn
  bool asymmetric_calibration = false;  // of gptq
  bool positive_scales = false;         // of gptq: no signed_scales
};
Recipe recipe_from_flags(const RecipeFlags& flags);

// Overrides of a preset's sizes (`--group-size`, `--block-structure`) on every scheme of the recipe that has
// them; keeps recipe.yaml true. Throws Error(kUsage) when one fits no scheme, with the reason of each.
struct SizeOverrides {
  std::optional<int64_t> group_size;  // -1: one scale per row (strategy channel)
  std::optional<std::array<int64_t, 2>> block_structure;
};
void apply_overrides(Recipe& recipe, const SizeOverrides& overrides);

// Every modifier's say on every module, as one list: the last modifier that names a module decides about it.
struct ResolvedRecipe {
  std::vector<QuantizationScheme> groups;           // those of all modifiers, equal ones once
  std::vector<SchemeAssignment> assignments;        // one per module; `group` is an index into `groups`
  std::vector<std::optional<GptqParameters>> gptq;  // one per module: of the modifier that gave it its scheme
  std::optional<QuantizationArgs> kv_cache_scheme;
};
// Throws as assign_schemes() does, and as check_conflicts() of modifier_conflicts.h.
ResolvedRecipe resolve_recipe(const Recipe& recipe, std::span<const ModuleName> modules);

// The parts of the recipe that need calibration data, in words; empty: data-free.
std::vector<std::string> needs_calibration(const Recipe& recipe);

}  // namespace tersor
