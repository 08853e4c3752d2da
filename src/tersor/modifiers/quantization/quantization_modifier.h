// QuantizationModifier (round to nearest): which modules get which scheme.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tersor/modifiers/quantization/unmatched_pattern.h"
#include "tersor/quantization/module_matching.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

// Where a target or an ignore entry stands, for messages: "recipe.yaml:7:15", "--ignore". A pattern may lack.
struct PatternPlaces {
  std::map<std::string, std::string, std::less<>> targets, ignore;
  std::string kv_cache_scheme;
};

// The modifier's parameters after presets are expanded; every scheme is validated.
struct QuantizationModifier {
  std::vector<QuantizationScheme> groups;  // in file order, each with its targets
  std::vector<std::string> ignore;
  std::optional<QuantizationArgs> kv_cache_scheme;
  // The recipe vouches that its engine takes groups that do not divide the columns.
  bool bypass_divisibility_checks = false;
  PatternPlaces places;
};

// The scheme of one module.
struct SchemeAssignment {
  std::optional<size_t> group;  // index into groups; nullopt: not quantized
  std::string matched_target;   // the target that names it, also where it is ignored; empty: none does
  std::string reason;  // why not quantized: "ignored by `lm_head`", "no target names it", "a norm", …
};

// Targets of all groups, each once, with the group that it chooses: the last one that names it.
struct TargetList {
  std::vector<std::string> targets;
  std::vector<size_t> groups;
};
TargetList list_targets(std::span<const QuantizationScheme> groups);

// One assignment per module: exact names before regexes before classes, ignore always wins; a target repeated
// in a later group overrides an earlier one. Only Linear and Embedding modules receive schemes. A target that
// matches no such module, or an ignore entry that matches no module at all, goes to `unmatched`: a name that
// stands for nothing is a slip that would otherwise show only in the result.
std::vector<SchemeAssignment> assign_schemes(const QuantizationModifier& modifier,
                                             std::span<const ModuleName> modules,
                                             std::vector<UnmatchedPattern>& unmatched);
// The same; throws unmatched_error() where there are any.
std::vector<SchemeAssignment> assign_schemes(const QuantizationModifier& modifier,
                                             std::span<const ModuleName> modules);

// The parts of the modifier that need calibration data, in words, each with what to use instead; empty:
// data-free. `solves_weights`: the weights are solved on data in any case, so that no observer of theirs is
// named.
std::vector<std::string> needs_calibration(const QuantizationModifier& modifier, bool solves_weights = false);

}  // namespace tersor
