// What to say of a target or ignore entry that matches nothing.
#pragma once

#include <span>
#include <string>

#include "tersor/quantization/module_matching.h"

namespace tersor {

// Help for a pattern that matches no module: how to write what was probably meant, with the nearest names.
std::string unmatched_pattern_help(const std::string& pattern, std::span<const ModuleName> modules);

}  // namespace tersor
