#include "tersor/compressors/vllm_targets.h"

#include <algorithm>

#include "tersor/quantization/fused_modules.h"

namespace tersor {
namespace {

constexpr std::string_view kRegexPrefix = "re:";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

}  // namespace

VllmTargets::VllmTargets(std::span<const QuantizationScheme* const> groups) {
  for (const QuantizationScheme* group : groups) {
    for (const std::string& target : group->targets) {
      const auto [at, added] = names_.try_emplace(target, targets_.size());
      if (!added) {  // a later group takes the target over, in its old place
        targets_[at->second].scheme = group;
        continue;
      }
      targets_.push_back({group, target});
      if (target.starts_with(kRegexPrefix)) {
        patterns_.push_back({at->second, Regex(std::string_view(target).substr(kRegexPrefix.size()))});
      } else if (target.find('.') == std::string::npos) {  // no class has a dot in its name
        classes_.emplace_back(lower(target), at->second);
      }
    }
  }
}

size_t VllmTargets::by_name(std::string_view name) const {
  const auto exact = names_.find(name);
  size_t first = exact == names_.end() ? targets_.size() : exact->second;
  for (const Pattern& pattern : patterns_) {
    if (pattern.target >= first) break;
    if (pattern.regex.match_prefix(name)) first = pattern.target;
  }
  return first;
}

size_t VllmTargets::by_class(std::string_view layer_class) const {
  const std::string name = lower(layer_class);
  for (const auto& [target, index] : classes_) {
    // "Linear" means experts, too.
    if (layer_class == "RoutedExperts" && targets_[index].target == "Linear") return index;
    if (name.find(target) != std::string::npos) return index;
  }
  return targets_.size();
}

VllmTargets::Choice VllmTargets::choice(size_t target) const {
  return target < targets_.size() ? targets_[target] : Choice{};
}

VllmTargets::Choice VllmTargets::for_linear(std::string_view name, std::string_view layer_class) const {
  const size_t named = by_name(name);
  return choice(named < targets_.size() ? named : by_class(layer_class));
}

VllmTargets::Choice VllmTargets::for_stacked(const FusedModules& set) const {
  std::string name(set.parent);
  if (!name.empty()) name += '.';
  const size_t prefix = name.size();
  name += set.fused_name;
  if (const size_t whole = by_name(name); whole < targets_.size()) return choice(whole);

  const auto sets = fused_sets();
  const auto known = std::ranges::find(sets, set.fused_name, &FusedSet::fused_name);
  size_t first = targets_.size();
  bool all = known != sets.end();
  for (size_t i = 0; all && i < known->members.size(); ++i) {
    name.resize(prefix);
    name += known->members[i];
    const size_t found = by_name(name);
    if (i == 0) first = found;
    all = found < targets_.size();
  }
  if (all) return choice(first);
  return choice(by_class(set.fused_name == "qkv_proj" ? "QKVParallelLinear" : "MergedColumnParallelLinear"));
}

}  // namespace tersor
