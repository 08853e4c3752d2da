#include "tersor/modifiers/quantization/quantization_modifier.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

bool takes_scheme(const ModuleName& module) {
  return module.module_class == ModuleClass::kLinear || module.module_class == ModuleClass::kEmbedding;
}

const char* why_no_scheme(ModuleClass c) {
  switch (c) {
    case ModuleClass::kNorm:
      return "a norm";
    case ModuleClass::kRouter:
      return "an MoE router";
    case ModuleClass::kConv:
      return "a convolution";
    default:
      return "neither a Linear nor an Embedding";
  }
}

// The patterns of a matcher that have matched so far.
class UsedPatterns {
 public:
  explicit UsedPatterns(const NameMatcher& matcher)
      : patterns_(matcher.patterns()), used_(patterns_.size()) {}

  void mark(size_t pattern) { used_[pattern] = true; }

  // match() tells the most specific pattern alone, so that those which it never told are asked for one by
  // one. Adds those that match no module, or none that `counts`; `kind`: "target".
  template <typename Counts>
  void add_unmatched(std::string_view kind, const std::map<std::string, std::string, std::less<>>& places,
                     std::span<const ModuleName> modules, Counts counts,
                     std::vector<UnmatchedPattern>& unmatched) const {
    for (size_t p = 0; p < patterns_.size(); ++p) {
      const ModuleName* hit = nullptr;
      if (used_[p] || matches(patterns_[p], modules, counts, hit)) continue;
      const auto place = places.find(patterns_[p]);
      std::string what = fmt::format("{}{}the {} `{}`", place == places.end() ? "" : place->second,
                                     place == places.end() ? "" : ": ", kind, patterns_[p]);
      if (hit != nullptr) {
        unmatched.push_back({patterns_[p],
                             fmt::format("{} matches nothing that can be quantized: `{}` is {}", what,
                                         hit->name, why_no_scheme(hit->module_class)),
                             "only Linear and Embedding modules are quantized"});
      } else {
        unmatched.push_back({patterns_[p], what + " matches no module of the model", ""});
      }
    }
  }

 private:
  // Whether the pattern matches a module that counts; if not, `hit` is the first that it does match.
  template <typename Counts>
  static bool matches(const std::string& pattern, std::span<const ModuleName> modules, Counts counts,
                      const ModuleName*& hit) {
    const NameMatcher alone{std::span(&pattern, 1)};
    for (const ModuleName& module : modules) {
      if (!alone.match(module)) continue;
      if (counts(module)) return true;
      if (hit == nullptr) hit = &module;
    }
    return false;
  }

  const std::vector<std::string>& patterns_;
  std::vector<bool> used_;
};

// "`Linear`": the first target of a group, for messages.
std::string first_target(const QuantizationScheme& scheme) {
  return scheme.targets.empty() ? std::string("the modules") : fmt::format("`{}`", scheme.targets[0]);
}

}  // namespace

TargetList list_targets(std::span<const QuantizationScheme> groups) {
  TargetList list;
  std::map<std::string, size_t> index;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const std::string& target : groups[g].targets) {
      const auto [it, fresh] = index.try_emplace(target, list.targets.size());
      if (fresh) {
        list.targets.push_back(target);
        list.groups.push_back(g);
      } else {
        list.groups[it->second] = g;
      }
    }
  }
  return list;
}

std::vector<SchemeAssignment> assign_schemes(const QuantizationModifier& modifier,
                                             std::span<const ModuleName> modules,
                                             std::vector<UnmatchedPattern>& unmatched) {
  const TargetList list = list_targets(modifier.groups);
  const NameMatcher targets(list.targets);
  const NameMatcher ignore(modifier.ignore);
  UsedPatterns used_targets(targets);
  UsedPatterns used_ignores(ignore);

  std::vector<SchemeAssignment> assignments(modules.size());
  for (size_t m = 0; m < modules.size(); ++m) {
    SchemeAssignment& assignment = assignments[m];
    const std::optional<NameMatcher::Hit> ignored = ignore.match(modules[m]);
    if (ignored) used_ignores.mark(ignored->pattern);
    if (!takes_scheme(modules[m])) {
      assignment.reason = why_no_scheme(modules[m].module_class);
      continue;
    }
    const std::optional<NameMatcher::Hit> target = targets.match(modules[m]);
    if (!target) {
      assignment.reason = "no target names it";
      continue;
    }
    used_targets.mark(target->pattern);
    assignment.matched_target = list.targets[target->pattern];
    if (ignored) {
      assignment.reason = fmt::format("ignored by `{}`", modifier.ignore[ignored->pattern]);
    } else {
      assignment.group = list.groups[target->pattern];
    }
  }
  used_targets.add_unmatched("target", modifier.places.targets, modules, takes_scheme, unmatched);
  used_ignores.add_unmatched(
      "ignore entry", modifier.places.ignore, modules, [](const ModuleName&) { return true; }, unmatched);
  return assignments;
}

std::vector<SchemeAssignment> assign_schemes(const QuantizationModifier& modifier,
                                             std::span<const ModuleName> modules) {
  std::vector<UnmatchedPattern> unmatched;
  std::vector<SchemeAssignment> assignments = assign_schemes(modifier, modules, unmatched);
  if (!unmatched.empty()) throw unmatched_error(unmatched, modules);
  return assignments;
}

std::vector<std::string> needs_calibration(const QuantizationModifier& modifier, bool solves_weights) {
  std::vector<std::string> needs;
  for (const QuantizationScheme& group : modifier.groups) {
    const std::string of = first_target(group);
    if (group.weights && group.weights->observer == "imatrix_mse" && !solves_weights) {
      needs.push_back(
          fmt::format("the observer `imatrix_mse` weighs the weights of {} by their inputs (the observer "
                      "`memoryless_mse` does without)",
                      of));
    }
    if (group.input_activations && group.input_activations->dynamic == Dynamic::kLocal) {
      needs.push_back(
          fmt::format("the input activations of {} have a global scale, measured on data (NVFP4A16 leaves "
                      "activations as they are)",
                      of));
    } else if (group.input_activations && group.input_activations->dynamic == Dynamic::kFalse) {
      needs.push_back(
          fmt::format("the input activations of {} have static scales, measured on data (`dynamic: true` "
                      "computes them at run time, as FP8_DYNAMIC does)",
                      of));
    }
    if (group.output_activations && group.output_activations->dynamic != Dynamic::kTrue) {
      needs.push_back(fmt::format("the output activations of {} have static scales, measured on data", of));
    }
  }
  if (modifier.kv_cache_scheme) {
    needs.emplace_back("kv_cache_scheme has scales of keys and values, measured on data");
  }
  return needs;
}

}  // namespace tersor
