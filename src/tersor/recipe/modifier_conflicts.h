// Modifiers that contradict each other: refused before any work, since one of them would work in vain.
//
// A later modifier takes a module from an earlier one, as in llm-compressor's lifecycle. That is a clear
// order where both round to nearest and the earlier keeps other modules ("everything in 4 bits, attention in
// fp8"). It is a contradiction, which no order of the file explains,
//   - where the earlier one is GPTQ, whose solved codes would be thrown away;
//   - where the later one has activations but no weights: it reads like an addition, and takes the weights
//   away;
//   - where nothing is left to the earlier one;
//   - where both have a kv_cache_scheme and these differ.
#pragma once

#include <span>
#include <vector>

#include "tersor/recipe/recipe.h"

namespace tersor {

// `assignments`: of each modifier of the recipe, one per module, with its own groups' indices. Throws
// Error(kUsage) that names both places in the recipe, the first module and what to do.
void check_conflicts(const Recipe& recipe, std::span<const std::vector<SchemeAssignment>> assignments,
                     std::span<const ModuleName> modules);

}  // namespace tersor
