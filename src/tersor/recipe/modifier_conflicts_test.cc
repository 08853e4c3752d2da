#include "tersor/recipe/modifier_conflicts.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

const std::vector<ModuleName> kModules = {{"model.layers.0.self_attn.q_proj", ModuleClass::kLinear},
                                          {"model.layers.0.self_attn.o_proj", ModuleClass::kLinear},
                                          {"model.layers.0.mlp.up_proj", ModuleClass::kLinear},
                                          {"lm_head", ModuleClass::kLinear}};

ResolvedRecipe resolve(const std::string& modifiers) {
  return resolve_recipe(parse_recipe("s_stage:\n" + modifiers, "r.yaml"), kModules);
}

// The message and the help, in one text.
std::string refusal(const std::string& modifiers) {
  try {
    resolve(modifiers);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return std::string(e.what()) + "\n" + e.help();
  }
  ADD_FAILURE() << "accepted:\n" << modifiers;
  return "";
}

TEST(ModifierConflicts, WeightsThatGptqHasSolvedAreNotRoundedAgain) {
  const std::string text = refusal(
      "  a_modifiers: {GPTQModifier: {scheme: W4A16, targets: [Linear], ignore: [lm_head]}}\n"
      "  b_modifiers: {QuantizationModifier: {scheme: FP8_DYNAMIC, targets: ['re:.*self_attn']}}\n");
  EXPECT_EQ(text,
            "two modifiers of the recipe claim `model.layers.0.self_attn.q_proj` and 1 more module: "
            "GPTQModifier's target `Linear` (r.yaml:2:57), then QuantizationModifier's target "
            "`re:.*self_attn` (r.yaml:3:71); the codes that GPTQ solves would be thrown away\n"
            "add 're:.*self_attn' to `ignore` of the first (GPTQModifier), or remove one of the two");
}

// What the message advises, in both orders of the file.
TEST(ModifierConflicts, GptqBesideModulesOfAnotherModifierWorks) {
  const std::string gptq =
      "_modifiers: {GPTQModifier: {scheme: W4A16, ignore: [lm_head, 're:.*self_attn']}}\n";
  const std::string rtn =
      "_modifiers: {QuantizationModifier: {scheme: FP8, targets: ['re:.*self_attn'], kv_cache_scheme: {type: "
      "float}}}\n";
  for (const std::string& modifiers : {"  a" + gptq + "  b" + rtn, "  a" + rtn + "  b" + gptq}) {
    const ResolvedRecipe resolved = resolve(modifiers);
    EXPECT_FALSE(resolved.gptq[0]);
    EXPECT_EQ(resolved.groups[*resolved.assignments[0].group].weights->num_bits, 8);
    EXPECT_TRUE(resolved.gptq[2]);
    EXPECT_EQ(resolved.groups[*resolved.assignments[2].group].weights->num_bits, 4);
    EXPECT_FALSE(resolved.assignments[3].group);
    EXPECT_TRUE(resolved.kv_cache_scheme);
  }
}

TEST(ModifierConflicts, GptqTakesModulesFromRoundingThatKeepsOthers) {
  const ResolvedRecipe resolved = resolve(
      "  a_modifiers: {QuantizationModifier: {scheme: W8A8}}\n"
      "  b_modifiers: {GPTQModifier: {scheme: W4A16, targets: ['re:.*mlp']}}\n");
  EXPECT_FALSE(resolved.gptq[0]);
  EXPECT_TRUE(resolved.gptq[2]);
}

TEST(ModifierConflicts, TwoWaysOfGptqContradict) {
  EXPECT_THAT(refusal("  a_modifiers: {GPTQModifier: {scheme: W4A16}}\n"
                      "  b_modifiers: {GPTQModifier: {scheme: W4A16, targets: [lm_head], block_size: 64}}\n"),
              testing::HasSubstr("claim `lm_head`: GPTQModifier's target `Linear` (r.yaml:2:40), then "
                                 "GPTQModifier's target `lm_head` (r.yaml:3:57)"));
}

TEST(ModifierConflicts, TheSameGptqTwiceIsOnce) {
  const ResolvedRecipe resolved = resolve(
      "  a_modifiers: {GPTQModifier: {scheme: W4A16}}\n"
      "  b_modifiers: {GPTQModifier: {scheme: W4A16, kv_cache_scheme: {type: float}}}\n");
  EXPECT_EQ(resolved.groups.size(), 1u);
}

TEST(ModifierConflicts, RoundingOfTheSameSchemeWouldUndoGptq) {
  EXPECT_THAT(refusal("  a_modifiers: {GPTQModifier: {scheme: W4A16}}\n"
                      "  b_modifiers: {QuantizationModifier: {scheme: W4A16}}\n"),
              testing::AllOf(testing::HasSubstr("the codes that GPTQ solves would be thrown away"),
                             testing::HasSubstr("remove one of the two")));
}

TEST(ModifierConflicts, UnquantizedAfterGptqIsAnIgnoreEntryOfIt) {
  EXPECT_THAT(refusal("  a_modifiers: {GPTQModifier: {scheme: W4A16}}\n"
                      "  b_modifiers: {QuantizationModifier: {scheme: UNQUANTIZED, targets: [lm_head]}}\n"),
              testing::HasSubstr("add 'lm_head' to `ignore` of the first (GPTQModifier)"));
}

TEST(ModifierConflicts, ActivationsAloneDoNotJoinWeights) {
  EXPECT_THAT(
      refusal("  a_modifiers: {QuantizationModifier: {scheme: W8A16}}\n"
              "  b_modifiers:\n"
              "    QuantizationModifier:\n"
              "      config_groups: {g: {targets: ['re:.*mlp'], input_activations: {num_bits: 8}}}\n"),
      testing::AllOf(testing::HasSubstr("claim `model.layers.0.mlp.up_proj`"),
                     testing::HasSubstr("(r.yaml:5:37)"), testing::HasSubstr("activations alone"),
                     testing::HasSubstr("give both parts in one group")));
}

TEST(ModifierConflicts, AModifierThatKeepsNoModuleIsTold) {
  const std::string text = refusal(
      "  a_modifiers: {QuantizationModifier: {scheme: FP8_DYNAMIC, targets: ['re:.*mlp']}}\n"
      "  b_modifiers: {QuantizationModifier: {scheme: W4A16, ignore: [lm_head]}}\n");
  EXPECT_THAT(text, testing::AllOf(testing::HasSubstr("claim every module of QuantizationModifier's target "
                                                      "`re:.*mlp` (r.yaml:2:71)"),
                                   testing::HasSubstr("`model.layers.0.mlp.up_proj`"),
                                   testing::HasSubstr("target `Linear` (r.yaml:3:48)")));
}

TEST(ModifierConflicts, CacheSchemesThatDifferAreToldWithBothPlaces) {
  EXPECT_THAT(refusal("  a_modifiers: {GPTQModifier: {scheme: W4A16, kv_cache_scheme: {type: float}}}\n"
                      "  b_modifiers: {QuantizationModifier: {kv_cache_scheme: {type: int}}}\n"),
              testing::AllOf(testing::HasSubstr("GPTQModifier (r.yaml:2:"),
                             testing::HasSubstr("QuantizationModifier (r.yaml:3:")));
  EXPECT_TRUE(resolve("  a_modifiers: {GPTQModifier: {scheme: W4A16, kv_cache_scheme: {type: float}}}\n"
                      "  b_modifiers: {QuantizationModifier: {kv_cache_scheme: {type: float}}}\n")
                  .kv_cache_scheme);
}

}  // namespace
}  // namespace tersor
