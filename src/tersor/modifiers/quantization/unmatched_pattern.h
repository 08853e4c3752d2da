// What to say of targets and ignore entries that match nothing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tersor/base/error.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {

// A target or ignore entry that stands for no module.
struct UnmatchedPattern {
  std::string pattern;
  std::string message;  // "recipe.yaml:7:15: the target `Linaer` matches no module of the model"
  std::string help;     // where it is known; empty: unmatched_error() looks for what was meant
};

// One Error(kUsage) that tells them all, with the nearest names for each. REQUIRES: there is one.
Error unmatched_error(std::span<const UnmatchedPattern> unmatched, std::span<const ModuleName> modules);

}  // namespace tersor
