#include "tersor/pipelines/portable_targets.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "tersor/pipelines/reader_spelling.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {
namespace {

// Which target each spelling of a module's name finds; class targets count, exact names and patterns first.
bool depends_on_spelling(const NameMatcher& targets, const ModuleName& module) {
  auto target_of = [&](const std::string& spelling) {
    const auto hit = targets.match({spelling, module.module_class});
    return hit ? hit->pattern : targets.patterns().size();
  };
  const size_t own = target_of(module.name);
  return std::ranges::any_of(other_spellings(module.name),
                             [&](const std::string& spelling) { return target_of(spelling) != own; });
}

std::string pattern_for(std::string_view core, bool any_index) {
  return fmt::format("re:{}{}$", kAnyWrappers, as_regex(core, any_index));
}

}  // namespace

void make_targets_portable(CompressionPlan& plan) {
  TargetList list = list_targets(plan.schemes);
  const NameMatcher matcher(list.targets);
  bool portable = true;
  // What becomes of the modules that a pattern with free indices would match: their schemes, or none.
  std::map<std::string, std::set<std::optional<size_t>>> fates;
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    const ModuleName& name = plan.inventory.modules[m].name;
    const auto& scheme = plan.decisions[m].scheme;
    if (scheme) portable = portable && !depends_on_spelling(matcher, name);
    fates[pattern_for(without_wrappers(name.name), true)].insert(scheme);
  }
  if (portable) return;

  std::vector<std::set<std::string>> targets(plan.schemes.size());
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    ModuleDecision& decision = plan.decisions[m];
    if (!decision.scheme) continue;
    const std::string_view core = without_wrappers(plan.inventory.modules[m].name.name);
    std::string pattern = pattern_for(core, true);
    if (fates[pattern].size() > 1) pattern = pattern_for(core, false);
    targets[*decision.scheme].insert(pattern);
    decision.matched_target = std::move(pattern);
  }
  for (size_t s = 0; s < targets.size(); ++s)
    plan.schemes[s].targets.assign(targets[s].begin(), targets[s].end());
}

}  // namespace tersor
