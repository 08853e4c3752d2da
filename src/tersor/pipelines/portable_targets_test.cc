#include "tersor/pipelines/portable_targets.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/quantization/module_matching.h"
#include "tersor/recipe/recipe.h"

namespace tersor {
namespace {

using ::testing::ElementsAre;
using Targets = std::vector<std::vector<std::string>>;

// A plan of two decoder layers and a vision block, named as the checkpoint of a Qwen2.5-VL names them.
CompressionPlan plan_of(const Targets& targets) {
  CompressionPlan plan;
  std::vector<ModuleName> names = {{"visual.blocks.0.attn.qkv"}, {"lm_head"}};
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    for (const char* leaf : {"self_attn.q_proj", "mlp.up_proj"}) names.push_back({layer + std::string(leaf)});
  }
  for (size_t g = 0; g < targets.size(); ++g) {
    plan.schemes.push_back(*preset_scheme(g == 0 ? "W8A16" : "FP8_DYNAMIC"));
    plan.schemes.back().targets = targets[g];
  }
  const TargetList list = list_targets(plan.schemes);
  const NameMatcher matcher(list.targets);
  for (ModuleName& name : names) {
    SourceModule module;
    module.name = name;
    name.other_spellings = {"model." + name.name, "language_model." + name.name};
    if (name.name.starts_with("model.layers"))
      name.other_spellings.push_back("model.language_model." + name.name.substr(6));
    ModuleDecision decision;
    if (const auto hit = matcher.match(name)) {
      decision.scheme = list.groups[hit->pattern];
      decision.matched_target = list.targets[hit->pattern];
    }
    plan.inventory.modules.push_back(module);
    plan.decisions.push_back(decision);
  }
  return plan;
}

// What a reader with these names finds: the scheme of every module.
std::map<std::string, size_t> found_by_reader(const CompressionPlan& plan, const std::string& text,
                                              const std::string& vision) {
  std::map<std::string, size_t> found;
  const TargetList list = list_targets(plan.schemes);
  const NameMatcher matcher(list.targets);
  for (const SourceModule& module : plan.inventory.modules) {
    const std::string& own = module.name.name;
    const std::string name = own.starts_with("model.layers") ? text + own.substr(6)
                             : own.starts_with("visual")     ? vision + own
                                                             : own;
    if (const auto hit = matcher.match({name})) found[own] = list.groups[hit->pattern];
  }
  return found;
}

TEST(PortableTargets, MeanTheSameModulesToEveryReader) {
  const std::vector<Targets> cases = {
      {{"re:.*language_model.*"}},
      {{"re:model\\.layers\\..*", "lm_head"}},
      {{"re:model\\.visual.*"}, {"re:.*language_model\\.layers.*q_proj", "model.layers.1.mlp.up_proj"}},
      {{"Linear"}, {"re:language_model\\.model\\.layers\\.1.*"}},
      {{"re:.*layers\\.0.*"}, {"re:.*language_model\\.layers\\.1.*"}},
  };
  for (const Targets& targets : cases) {
    CompressionPlan plan = plan_of(targets);
    std::map<std::string, size_t> expected;
    for (size_t m = 0; m < plan.decisions.size(); ++m) {
      if (plan.decisions[m].scheme) expected[plan.inventory.modules[m].name.name] = *plan.decisions[m].scheme;
    }
    ASSERT_FALSE(expected.empty());
    make_targets_portable(plan);
    EXPECT_EQ(found_by_reader(plan, "model.", ""), expected);                       // the checkpoint
    EXPECT_EQ(found_by_reader(plan, "model.language_model.", "model."), expected);  // Transformers
    EXPECT_EQ(found_by_reader(plan, "language_model.model.", ""), expected);        // vLLM
  }
}

TEST(PortableTargets, ArePatternsPerKindOfModule) {
  CompressionPlan plan = plan_of({{"re:.*language_model.*layers.*"}});
  make_targets_portable(plan);
  EXPECT_THAT(plan.schemes[0].targets,
              ElementsAre("re:((model|language_model)\\.)*layers\\.\\d+\\.mlp\\.up_proj$",
                          "re:((model|language_model)\\.)*layers\\.\\d+\\.self_attn\\.q_proj$"));
  EXPECT_EQ(plan.decisions[2].matched_target, plan.schemes[0].targets[1]);
}

TEST(PortableTargets, StayAsTheyAreWhereSpellingDoesNotMatter) {
  for (const Targets& targets : {Targets{{"Linear"}}, Targets{{"re:.*layers\\..*", "Linear"}},
                                 Targets{{"re:.*self_attn.*"}, {"re:.*mlp.*"}}}) {
    CompressionPlan plan = plan_of(targets);
    make_targets_portable(plan);
    for (size_t g = 0; g < targets.size(); ++g) EXPECT_EQ(plan.schemes[g].targets, targets[g]);
  }
}

}  // namespace
}  // namespace tersor
