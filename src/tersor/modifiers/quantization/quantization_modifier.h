// QuantizationModifier (round to nearest): which modules get which scheme.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tersor/quantization/module_matching.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

// The modifier's parameters after presets are expanded; every scheme is validated.
struct QuantizationModifier {
  std::vector<QuantizationScheme> groups;  // in file order, each with its targets
  std::vector<std::string> ignore;
  std::optional<QuantizationArgs> kv_cache_scheme;
};

// The scheme of one module.
struct SchemeAssignment {
  std::optional<size_t> group;  // index into groups; nullopt: not quantized
  std::string matched_target;   // the target that chose it
  std::string reason;  // why not quantized: "ignored by `lm_head`", "no target names it", "a norm", …
};

// One assignment per module: exact names before regexes before classes, ignore always wins; a target repeated
// in a later group overrides an earlier one. Only Linear and Embedding modules receive schemes. Throws
// Error(kUsage) when a target or an ignore entry matches no module, with the nearest names.
std::vector<SchemeAssignment> assign_schemes(const QuantizationModifier& modifier,
                                             std::span<const ModuleName> modules);

// The parts of the modifier that need calibration data, in words; empty: data-free.
std::vector<std::string> needs_calibration(const QuantizationModifier& modifier);

}  // namespace tersor
