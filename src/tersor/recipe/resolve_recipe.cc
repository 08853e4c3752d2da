// Several modifiers as one list of assignments.
#include <algorithm>

#include "tersor/recipe/modifier_conflicts.h"
#include "tersor/recipe/recipe.h"

namespace tersor {

// As in llm-compressor's lifecycle, where each modifier first resets what it matches: the last one that names
// a module decides, and a module that a later one ignores keeps what an earlier one gave it.
ResolvedRecipe resolve_recipe(const Recipe& recipe, std::span<const ModuleName> modules) {
  std::vector<UnmatchedPattern> unmatched;  // of all modifiers: told together
  std::vector<std::vector<SchemeAssignment>> of_modifier;
  for (const Modifier& modifier : recipe.modifiers)
    of_modifier.push_back(assign_schemes(modifier.quantization, modules, unmatched));
  if (!unmatched.empty()) throw unmatched_error(unmatched, modules);
  check_conflicts(recipe, of_modifier, modules);

  ResolvedRecipe resolved;
  resolved.gptq.resize(modules.size());
  resolved.assignments.resize(modules.size());
  for (size_t k = 0; k < recipe.modifiers.size(); ++k) {
    const Modifier& modifier = recipe.modifiers[k];
    std::vector<size_t> index;  // of the modifier's groups among the resolved ones
    for (const QuantizationScheme& group : modifier.quantization.groups) {
      const auto found = std::ranges::find(resolved.groups, group);
      index.push_back(static_cast<size_t>(found - resolved.groups.begin()));
      if (found == resolved.groups.end()) resolved.groups.push_back(group);
    }
    for (size_t m = 0; m < modules.size(); ++m) {
      SchemeAssignment& given = of_modifier[k][m];
      SchemeAssignment& now = resolved.assignments[m];
      const bool unnamed = !now.group && now.matched_target.empty();
      if (given.group) {
        given.group = index[*given.group];
        resolved.gptq[m] = modifier.gptq;
      }
      if (given.group || unnamed) now = std::move(given);
    }
    if (modifier.quantization.kv_cache_scheme)
      resolved.kv_cache_scheme = modifier.quantization.kv_cache_scheme;
  }
  return resolved;
}

std::vector<std::string> needs_calibration(const Recipe& recipe) {
  std::vector<std::string> needs;
  for (const Modifier& modifier : recipe.modifiers) {
    std::vector<std::string> of_modifier =
        needs_calibration(modifier.quantization, modifier.gptq.has_value());
    if (modifier.gptq)
      of_modifier.insert(of_modifier.begin(), "GPTQModifier solves weights for the inputs they meet");
    for (std::string& need : of_modifier) {
      if (std::ranges::find(needs, need) == needs.end()) needs.push_back(std::move(need));
    }
  }
  return needs;
}

}  // namespace tersor
