// Load rules: what engines stack into one matrix must have one scheme.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tersor/base/text.h"
#include "tersor/compressors/load_fix.h"
#include "tersor/compressors/load_rule.h"
#include "tersor/compressors/vllm_schemes.h"
#include "tersor/compressors/vllm_targets.h"
#include "tersor/quantization/fused_modules.h"

namespace tersor {
namespace {

std::vector<int32_t> present(const FusedModules& set) {
  std::vector<int32_t> members;
  for (const int32_t i : set.members)
    if (i >= 0) members.push_back(i);
  return members;
}

// What stands for a number of stacked sets of one kind in messages.
struct BrokenSets {
  std::vector<int32_t> modules;
  std::string first;  // "model.layers.0.self_attn.qkv_proj"
  std::set<std::string_view> leaves;
  size_t count = 0;

  void add(const LoadView& view, const FusedModules& set) {
    if (count++ == 0)
      first =
          set.parent.empty() ? std::string(set.fused_name) : fmt::format("{}.{}", set.parent, set.fused_name);
    for (const int32_t i : present(set)) {
      modules.push_back(i);
      leaves.insert(view.modules[static_cast<size_t>(i)].leaf);
    }
  }
  std::string shown() const {
    return count == 1 ? first : fmt::format("{} ({} in all)", first, format_count(count));
  }
};

// Sets of several members that satisfy the condition, together.
template <typename Condition>
BrokenSets sets_where(const LoadView& view, Condition breaks) {
  BrokenSets broken;
  for (const FusedModules& set : view.fused) {
    const std::vector<int32_t> members = present(set);
    if (members.size() > 1 && breaks(members)) broken.add(view, set);
  }
  return broken;
}

int32_t scheme_of(const LoadView& view, int32_t module) {
  return view.modules[static_cast<size_t>(module)].scheme;
}
int32_t kind_of(const LoadView& view, int32_t module) {
  const int32_t scheme = scheme_of(view, module);
  return scheme < 0 ? -1 : view.schemes[static_cast<size_t>(scheme)].kind;
}

bool all_use(const LoadView& view, const std::vector<int32_t>& members, VllmImplementation implementation,
             bool (*condition)(const QuantizationScheme&)) {
  return std::ranges::all_of(members, [&](int32_t i) {
    const QuantizationScheme* scheme = view.modules[static_cast<size_t>(i)].module->scheme;
    if (scheme == nullptr || !scheme->weights || !condition(*scheme)) return false;
    const auto found = vllm_scheme_for(*scheme);
    return found && found->implementation == implementation;
  });
}

}  // namespace

std::vector<Breach> check_fused_partly_quantized(const LoadView& view) {
  const BrokenSets broken = sets_where(view, [&](const std::vector<int32_t>& members) {
    const auto quantized = std::ranges::count_if(members, [&](int32_t i) { return scheme_of(view, i) >= 0; });
    return quantized > 0 && quantized < static_cast<std::ptrdiff_t>(members.size());
  });
  if (broken.count == 0) return {};
  return {{fmt::format("{} are stacked into {}, and only some of them are quantized",
                       fmt::join(broken.leaves, ", "), broken.shown()),
           broken.modules,
           fmt::format("quantize all of them, or none: {}", ignore_flags(view, broken.modules))}};
}

std::vector<Breach> check_fused_schemes_differ(const LoadView& view) {
  const BrokenSets broken = sets_where(view, [&](const std::vector<int32_t>& members) {
    return std::ranges::all_of(members, [&](int32_t i) { return scheme_of(view, i) >= 0; }) &&
           std::ranges::any_of(members,
                               [&](int32_t i) { return kind_of(view, i) != kind_of(view, members[0]); });
  });
  if (broken.count == 0) return {};
  return {
      {fmt::format("{} are stacked into {}, which has the scheme of the first; here they have different ones",
                   fmt::join(broken.leaves, ", "), broken.shown()),
       broken.modules,
       fmt::format("name them in the targets of one group of the recipe: 're:.*({})$'",
                   fmt::join(broken.leaves, "|"))}};
}

std::vector<Breach> check_fused_target_order(const LoadView& view) {
  // With one scheme every target leads to it.
  const bool several = std::ranges::any_of(
      view.groups, [&](const QuantizationScheme* group) { return !same_numbers(*group, *view.groups[0]); });
  if (!several) return {};
  const VllmTargets targets(view.groups);
  std::vector<int32_t> broken;
  std::string example;
  auto compare = [&](const VllmTargets::Choice& choice, std::span<const int32_t> members,
                     const std::string& layer) {
    for (const int32_t i : members) {
      const QuantizationScheme* ours = view.modules[static_cast<size_t>(i)].module->scheme;
      if (ours == nullptr || (choice.scheme != nullptr && same_numbers(*choice.scheme, *ours))) continue;
      if (broken.empty()) {
        example = choice.scheme == nullptr
                      ? fmt::format("no target matches {} as a whole", layer)
                      : fmt::format("{} gets the scheme of `{}`, the first target that matches in the config",
                                    layer, choice.target);
      }
      broken.push_back(i);
    }
  };
  for (const FusedModules& set : view.fused) {
    const std::vector<int32_t> members = present(set);
    const bool quantized = std::ranges::all_of(members, [&](int32_t i) { return scheme_of(view, i) >= 0; });
    if (!quantized) continue;  // the rule of partly quantized sets
    bool alike = std::ranges::all_of(
        members, [&](int32_t i) { return kind_of(view, i) == kind_of(view, members[0]); });
    if (alike) compare(targets.for_stacked(set), members, fmt::format("{}.{}", set.parent, set.fused_name));
  }
  for (size_t i = 0; i < view.modules.size(); ++i) {
    const ViewedModule& m = view.modules[i];
    if (m.scheme < 0 || m.fused >= 0 || m.embedding) continue;
    // Of a mixture only expert 0 is looked up.
    if (m.mixture >= 0 && !m.parent.ends_with(".0")) continue;
    const auto index = static_cast<int32_t>(i);
    compare(targets.for_linear(m.module->name, m.mixture >= 0        ? "RoutedExperts"
                                               : m.leaf == "lm_head" ? "ParallelLMHead"
                                                                     : "RowParallelLinear"),
            {&index, 1}, m.module->name);
  }
  if (broken.empty()) return {};
  return {
      {fmt::format(
           "targets are tried in the order of the config, and not, as compressed-tensors does, exact names "
           "before patterns before classes: {}; {} are stored in another scheme",
           example, shown_modules(view, broken)),
       broken, "make the targets of the recipe's groups disjoint"}};
}

std::vector<Breach> check_fused_fp8_tensor_scales(const LoadView& view) {
  const BrokenSets broken = sets_where(view, [&](const std::vector<int32_t>& members) {
    return all_use(view, members, VllmImplementation::kW8A8Fp8,
                   [](const QuantizationScheme& s) { return s.weights->strategy == Strategy::kTensor; });
  });
  if (broken.count == 0) return {};
  return {{fmt::format(
               "the matrices stacked into {} have one scale each; they are quantized again with the largest, "
               "which loses accuracy",
               broken.shown()),
           broken.modules, "`--scheme FP8_DYNAMIC` has one scale per row, which is kept"}};
}

std::vector<Breach> check_fused_static_int8(const LoadView& view) {
  const BrokenSets broken = sets_where(view, [&](const std::vector<int32_t>& members) {
    return all_use(view, members, VllmImplementation::kW8A8Int8, [](const QuantizationScheme& s) {
      return s.input_activations->dynamic == Dynamic::kFalse;
    });
  });
  if (broken.count == 0) return {};
  return {{fmt::format("the matrices stacked into {} share one input_scale: the one that is read last counts",
                       broken.shown()),
           broken.modules, "`--scheme W8A8` scales activations at run time"}};
}

}  // namespace tersor
