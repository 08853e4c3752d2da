// Load rules: targets, ignore, the output layer and embeddings.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_set>

#include <fmt/format.h>

#include "tersor/compressors/load_fix.h"
#include "tersor/compressors/load_rule.h"
#include "tersor/compressors/vllm_targets.h"
#include "tersor/quantization/fused_modules.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {
namespace {

constexpr std::string_view kRegexPrefix = "re:";

// `ignore` as vLLM reads it: exact names and patterns; class names mean nothing.
class VllmIgnore {
 public:
  // Only `names` will be asked for: a list of a hundred thousand entries is gone through once, not kept.
  VllmIgnore(std::span<const std::string> entries, const std::unordered_set<std::string>& names) {
    for (const std::string& entry : entries) {
      if (entry.starts_with(kRegexPrefix)) {
        patterns_.emplace_back(std::string_view(entry).substr(kRegexPrefix.size()));
      } else if (names.contains(entry)) {
        names_.insert(entry);
      }
    }
  }
  bool has(const std::string& name) const {
    if (names_.contains(name)) return true;
    return std::ranges::any_of(patterns_, [&](const Regex& pattern) { return pattern.match_prefix(name); });
  }

 private:
  std::unordered_set<std::string_view> names_;
  std::vector<Regex> patterns_;
};

std::vector<std::string> all_targets(const LoadView& view) {
  std::vector<std::string> targets;
  for (const QuantizationScheme* group : view.groups)
    targets.insert(targets.end(), group->targets.begin(), group->targets.end());
  return targets;
}

std::vector<int32_t> quantized_embeddings(const LoadView& view) {
  std::vector<int32_t> modules;
  for (const SchemeUse& use : view.schemes)
    modules.insert(modules.end(), use.embeddings.begin(), use.embeddings.end());
  return modules;
}

bool embedding_kernel_takes(const QuantizationScheme& s, uint64_t columns) {
  if (!s.weights || s.input_activations || format_of(s) != Format::kPack) return false;
  const QuantizationArgs& w = *s.weights;
  if (w.type != QuantizationType::kInt || !w.symmetric || w.dynamic != Dynamic::kFalse) return false;
  if (w.num_bits != 2 && w.num_bits != 4 && w.num_bits != 8) return false;
  if (w.strategy == Strategy::kChannel) return true;
  return w.strategy == Strategy::kGroup && columns % static_cast<uint64_t>(*w.group_size) == 0;
}

// Whether vLLM builds the module as a Linear with the quantization config.
bool is_linear_there(const LoadView& view, const ViewedModule& m) {
  if (m.embedding || m.leaf == "lm_head") return false;
  const ModuleClass c = classify_module(m.module->name, Shape{m.module->out, m.module->in}, view.model_type);
  return c == ModuleClass::kLinear || c == ModuleClass::kRouter;
}

bool free_prefix(std::string_view pattern) {
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  return pattern.starts_with(".*") || pattern.starts_with(kAnyWrappers);
}

}  // namespace

std::vector<Breach> check_lm_head_target(const LoadView& view) {
  std::vector<int32_t> broken;
  for (size_t i = 0; i < view.modules.size(); ++i) {
    const ViewedModule& m = view.modules[i];
    if (m.leaf != "lm_head" || m.scheme < 0) continue;
    if (VllmTargets(view.groups).for_linear(m.module->name, "ParallelLMHead").scheme == nullptr)
      broken.push_back(static_cast<int32_t>(i));
  }
  if (broken.empty()) return {};
  return {
      {fmt::format(
           "{} is quantized only when a target names it, and here a class does (`{}`): no parameter named "
           "lm_head.weight_packed or lm_head.weight_scale",
           shown_modules(view, broken), view.modules[static_cast<size_t>(broken[0])].module->matched_target),
       broken, "`--ignore lm_head`, or name it in the recipe: `targets: [Linear, 're:.*lm_head']`"}};
}

std::vector<Breach> check_tied_lm_head(const LoadView& view) {
  if (!view.tied) return {};
  std::string name = "lm_head";
  std::vector<int32_t> modules;
  for (size_t i = 0; i < view.modules.size(); ++i) {
    if (view.modules[i].leaf != "lm_head") continue;
    name = view.modules[i].module->name;
    modules.push_back(static_cast<int32_t>(i));
  }
  const ModuleName module{name, ModuleClass::kLinear};
  if (NameMatcher(view.context.ignore).match(module)) return {};
  const std::vector<std::string> targets = all_targets(view);
  const auto hit = NameMatcher(targets).match(module);
  if (!hit) return {};
  return {
      {fmt::format(
           "{} shares the embedding's weight (tie_word_embeddings) and is targeted by `{}`: it is built as a "
           "quantized module, for which there are no tensors",
           name, targets[hit->pattern]),
       modules, fmt::format("`--ignore {}`", name)}};
}

std::vector<Breach> check_embedding_scheme(const LoadView& view) {
  std::vector<int32_t> broken;
  for (const int32_t i : quantized_embeddings(view)) {
    const LoadableModule& module = *view.modules[static_cast<size_t>(i)].module;
    if (!embedding_kernel_takes(*module.scheme, module.in)) broken.push_back(i);
  }
  if (broken.empty()) return {};
  return {{fmt::format("embeddings can be weight-only ints, symmetric, of 2, 4 or 8 bits, in groups or "
                       "channels; {} has {}",
                       shown_modules(view, broken),
                       shown_scheme(*view.modules[static_cast<size_t>(broken[0])].module->scheme)),
           broken, ignore_flags(view, broken)}};
}

std::vector<Breach> check_embedding_transformers(const LoadView& view) {
  const std::vector<int32_t> broken = quantized_embeddings(view);
  if (broken.empty()) return {};
  return {{fmt::format("quantized embeddings do not run ('Embedding' object has no attribute 'weight'): {}",
                       shown_modules(view, broken)),
           broken, ignore_flags(view, broken)}};
}

std::vector<Breach> check_unquantized_not_ignored(const LoadView& view) {
  if (view.groups.empty()) return {};
  // What vLLM looks up for each module that is stored unquantized: the module itself, or what it is stacked
  // into.
  struct Lookup {
    int32_t module;
    std::string stacked;  // empty: the module stands alone
  };
  std::vector<Lookup> lookups;
  std::unordered_set<std::string> names;
  for (size_t i = 0; i < view.modules.size(); ++i) {
    const ViewedModule& m = view.modules[i];
    if (m.scheme >= 0 || (m.mixture >= 0 && !m.parent.ends_with(".0"))) continue;  // of experts only 0
    if (!is_linear_there(view, m)) continue;
    Lookup lookup{static_cast<int32_t>(i), {}};
    if (m.fused >= 0) {
      const FusedModules& set = view.fused[static_cast<size_t>(m.fused)];
      const bool partly = std::ranges::any_of(set.members, [&](int32_t member) {
        return member >= 0 && view.modules[static_cast<size_t>(member)].scheme >= 0;
      });
      if (partly) continue;  // the rule of partly quantized sets
      lookup.stacked = fmt::format("{}.{}", set.parent, set.fused_name);
      names.insert(lookup.stacked);
    }
    names.insert(m.module->name);
    lookups.push_back(std::move(lookup));
  }

  const VllmIgnore ignore(view.context.ignore, names);
  const VllmTargets targets(view.groups);
  std::vector<int32_t> broken;
  for (const Lookup& lookup : lookups) {
    const ViewedModule& m = view.modules[static_cast<size_t>(lookup.module)];
    if (ignore.has(m.module->name) || (!lookup.stacked.empty() && ignore.has(lookup.stacked))) continue;
    const VllmTargets::Choice choice =
        m.fused >= 0
            ? targets.for_stacked(view.fused[static_cast<size_t>(m.fused)])
            : targets.for_linear(m.module->name, m.mixture >= 0 ? "RoutedExperts" : "RowParallelLinear");
    if (choice.scheme != nullptr && choice.scheme->weights) broken.push_back(lookup.module);
  }
  if (broken.empty()) return {};
  return {{fmt::format("{} are stored unquantized and no entry of `ignore` is their name or a pattern for it "
                       "(class names "
                       "do not count there): no parameter named ….weight",
                       shown_modules(view, broken)),
           broken, ignore_flags(view, broken)}};
}

std::vector<Breach> check_fused_name_ignored(const LoadView& view) {
  // Entries that can be about a stacked matrix: patterns, and names that end like one.
  std::vector<std::pair<const std::string*, Regex>> patterns;
  std::unordered_set<std::string> names;
  for (const std::string& entry : view.context.ignore) {
    if (entry.starts_with(kRegexPrefix)) {
      patterns.emplace_back(&entry, Regex(std::string_view(entry).substr(kRegexPrefix.size())));
    } else if (std::ranges::any_of(fused_sets(),
                                   [&](const FusedSet& set) { return entry.ends_with(set.fused_name); })) {
      names.insert(entry);
    }
  }
  std::map<std::string, std::vector<int32_t>> broken;             // entry → the members it takes in
  std::map<std::string, std::string> example;                     // entry → a stacked matrix it matches
  std::set<std::pair<std::string_view, std::string_view>> tried;  // one set of each kind stands for its like
  for (const FusedModules& set : view.fused) {
    std::vector<int32_t> quantized;
    for (const int32_t member : set.members)
      if (member >= 0 && view.modules[static_cast<size_t>(member)].scheme >= 0) quantized.push_back(member);
    if (quantized.empty()) continue;
    const size_t dot = set.parent.rfind('.');
    const std::string_view parent = dot == std::string_view::npos ? set.parent : set.parent.substr(dot + 1);
    const bool first_of_kind = tried.insert({parent, set.fused_name}).second;
    if (names.empty() && !first_of_kind) continue;
    const std::string name = fmt::format("{}.{}", set.parent, set.fused_name);
    auto take = [&](const std::string& entry) {
      example.try_emplace(entry, name);
      auto& members = broken[entry];
      members.insert(members.end(), quantized.begin(), quantized.end());
    };
    if (names.contains(name)) take(name);
    if (!first_of_kind) continue;
    for (const auto& [entry, pattern] : patterns)
      if (pattern.match_prefix(name)) take(*entry);
  }
  std::vector<Breach> breaches;
  for (const auto& [entry, members] : broken) {
    breaches.push_back(
        {fmt::format("`{}` in ignore matches {}, as which {} are stacked, though they are quantized", entry,
                     example[entry], shown_modules(view, members)),
         members, fmt::format("{} in place of `{}`", ignore_flags(view, members), entry)});
  }
  return breaches;
}

std::vector<Breach> check_attention_group(const LoadView& view) {
  std::vector<Breach> breaches;
  for (const SchemeUse& use : view.schemes) {
    const auto& targets = use.scheme->targets;
    if (!use.scheme->weights || targets.size() != 1 || !targets[0].ends_with("Attention")) continue;
    breaches.push_back(
        {fmt::format("a group whose one target ends in Attention (`{}`) is dropped, and with it the scheme "
                     "of {}",
                     targets[0], shown_modules(view, use.all())),
         use.all(), fmt::format("end the pattern otherwise: '{}.*'", targets[0])});
  }
  return breaches;
}

std::vector<Breach> check_prefix_patterns(const LoadView& view) {
  if (!view.multipart) return {};
  std::string patterns;
  size_t count = 0;
  auto look = [&](const std::string& entry) {
    if (!entry.starts_with(kRegexPrefix) || free_prefix(std::string_view(entry).substr(kRegexPrefix.size())))
      return;
    constexpr size_t kMostShown = 3;
    if (++count <= kMostShown) patterns += fmt::format("{}`{}`", patterns.empty() ? "" : ", ", entry);
  };
  for (const std::string& target : all_targets(view)) look(target);
  for (const std::string& entry : view.context.ignore) look(entry);
  if (count == 0) return {};
  return {
      {fmt::format(
           "patterns are compared with vLLM's own names, which begin differently in models of several parts "
           "(language_model.model.layers… for model.language_model.layers…): {}{}",
           patterns, count > 3 ? ", …" : ""),
       {},
       "begin them with `re:.*` and leave the front of the names out"}};
}

}  // namespace tersor
