// Several modifiers as one list of assignments.
#include <algorithm>

#include "tersor/recipe/recipe.h"

namespace tersor {

// As in llm-compressor's lifecycle, where each modifier first resets what it matches: the last one that names
// a module decides, and a module that a later one ignores keeps what an earlier one gave it.
ResolvedRecipe resolve_recipe(const Recipe& recipe, std::span<const ModuleName> modules) {
  ResolvedRecipe resolved;
  resolved.gptq.resize(modules.size());
  std::vector<UnmatchedPattern> unmatched;  // of all modifiers: told together
  for (const Modifier& modifier : recipe.modifiers) {
    std::vector<size_t> index;  // of the modifier's groups among the resolved ones
    for (const QuantizationScheme& group : modifier.quantization.groups) {
      const auto found = std::ranges::find(resolved.groups, group);
      index.push_back(static_cast<size_t>(found - resolved.groups.begin()));
      if (found == resolved.groups.end()) resolved.groups.push_back(group);
    }
    std::vector<SchemeAssignment> assignments = assign_schemes(modifier.quantization, modules, unmatched);
    for (SchemeAssignment& assignment : assignments) {
      if (assignment.group) assignment.group = index[*assignment.group];
    }
    if (resolved.assignments.empty()) {
      resolved.assignments = std::move(assignments);
      for (size_t m = 0; m < modules.size(); ++m) {
        if (resolved.assignments[m].group) resolved.gptq[m] = modifier.gptq;
      }
    } else {
      for (size_t m = 0; m < modules.size(); ++m) {
        SchemeAssignment& now = resolved.assignments[m];
        const bool unnamed = !now.group && now.matched_target.empty();
        if (assignments[m].group) resolved.gptq[m] = modifier.gptq;
        if (assignments[m].group || unnamed) now = std::move(assignments[m]);
      }
    }
    if (modifier.quantization.kv_cache_scheme)
      resolved.kv_cache_scheme = modifier.quantization.kv_cache_scheme;
  }
  if (!unmatched.empty()) throw unmatched_error(unmatched, modules);
  return resolved;
}

std::vector<std::string> needs_calibration(const Recipe& recipe) {
  std::vector<std::string> needs;
  for (const Modifier& modifier : recipe.modifiers) {
    std::vector<std::string> of_modifier = needs_calibration(modifier.quantization);
    if (modifier.gptq)
      of_modifier.insert(of_modifier.begin(), "GPTQModifier solves weights for the inputs they meet");
    for (std::string& need : of_modifier) {
      if (std::ranges::find(needs, need) == needs.end()) needs.push_back(std::move(need));
    }
  }
  return needs;
}

}  // namespace tersor
