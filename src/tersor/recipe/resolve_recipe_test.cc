#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/recipe/recipe.h"

namespace tersor {
namespace {

const std::vector<ModuleName> kModules = {{"model.embed_tokens", ModuleClass::kEmbedding},
                                          {"model.layers.0.self_attn.q_proj", ModuleClass::kLinear},
                                          {"model.layers.0.self_attn.o_proj", ModuleClass::kLinear},
                                          {"model.layers.0.mlp.up_proj", ModuleClass::kLinear},
                                          {"model.layers.0.mlp.down_proj", ModuleClass::kLinear},
                                          {"model.norm", ModuleClass::kNorm},
                                          {"lm_head", ModuleClass::kLinear}};

ResolvedRecipe resolve(const std::string& file) {
  return resolve_recipe(read_recipe_file(std::string(TERSOR_SOURCE_DIR) + "/tests/recipes/" + file),
                        kModules);
}

TEST(ResolveRecipe, OneModifierIsItself) {
  const ResolvedRecipe resolved = resolve("w4a16.yaml");
  ASSERT_EQ(resolved.groups.size(), 1u);
  ASSERT_EQ(resolved.assignments.size(), kModules.size());
  EXPECT_EQ(resolved.assignments[0].reason, "no target names it");
  EXPECT_EQ(resolved.assignments[1].group, 0u);
  EXPECT_EQ(resolved.assignments[5].reason, "a norm");
  EXPECT_EQ(resolved.assignments[6].reason, "ignored by `lm_head`");
  EXPECT_FALSE(resolved.kv_cache_scheme);
}

TEST(ResolveRecipe, TheLastModifierThatNamesAModuleDecides) {
  const ResolvedRecipe resolved = resolve("two_modifiers.yaml");
  ASSERT_EQ(resolved.groups.size(), 3u);
  auto weights_of = [&](size_t m) { return resolved.groups.at(*resolved.assignments[m].group).weights; };
  EXPECT_EQ(weights_of(1)->type, QuantizationType::kFloat);
  EXPECT_EQ(resolved.assignments[1].matched_target, "re:.*self_attn\\.[qkvo]_proj$");
  EXPECT_EQ(weights_of(3)->num_bits, 4);
  EXPECT_EQ(weights_of(4), std::nullopt);  // UNQUANTIZED takes it back
  EXPECT_EQ(resolved.assignments[6].reason,
            "ignored by `lm_head`");  // by the first; the others do not name it
}

// What a later modifier ignores keeps what an earlier one gave it.
TEST(ResolveRecipe, ALaterIgnoreTakesNothingBack) {
  const Recipe recipe = parse_recipe(
      "a_stage:\n"
      "  a_modifiers: {QuantizationModifier: {scheme: W4A16}}\n"
      "  b_modifiers: {QuantizationModifier: {scheme: FP8_DYNAMIC, ignore: [lm_head]}}\n",
      "r.yaml");
  const ResolvedRecipe resolved = resolve_recipe(recipe, kModules);
  EXPECT_EQ(resolved.assignments[6].group, 0u);
  EXPECT_EQ(resolved.assignments[1].group, 1u);
}

TEST(ResolveRecipe, EqualGroupsAreOne) {
  const Recipe recipe = parse_recipe(
      "a_stage:\n"
      "  a_modifiers: {QuantizationModifier: {scheme: W4A16}}\n"
      "  b_modifiers: {QuantizationModifier: {scheme: W4A16, kv_cache_scheme: {type: float}}}\n",
      "r.yaml");
  const ResolvedRecipe resolved = resolve_recipe(recipe, kModules);
  EXPECT_EQ(resolved.groups.size(), 1u);
  ASSERT_TRUE(resolved.kv_cache_scheme);
  EXPECT_EQ(needs_calibration(recipe).size(), 1u);
}

TEST(ResolveRecipe, ThrowsForNamesThatMatchNothing) {
  EXPECT_THROW(resolve("fp8_block_moe.yaml"), Error);  // this model has no router
}

TEST(ResolveRecipe, EntriesOfAllModifiersThatMatchNothingAreToldWithTheirPlaces) {
  const Recipe recipe = parse_recipe(
      "a_stage:\n"
      "  a_modifiers: {QuantizationModifier: {scheme: W4A16, ignore: lm_haed}}\n"
      "  b_modifiers:\n"
      "    QuantizationModifier:\n"
      "      config_groups: {g: {targets: [Linear, Linaer], weights: {num_bits: 8}}}\n"
      "  c_modifiers: {QuantizationModifier: {scheme: {W8A8: [up_porj]}}}\n",
      "recipe.yaml");
  try {
    resolve_recipe(recipe, kModules);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "3 entries of the recipe match nothing\n"
                 "  recipe.yaml:2:63: the ignore entry `lm_haed` matches no module of the model\n"
                 "  recipe.yaml:5:45: the target `Linaer` matches no module of the model\n"
                 "  recipe.yaml:6:56: the target `up_porj` matches no module of the model");
    EXPECT_THAT(e.help(), testing::HasSubstr("`Linaer`: did you mean `Linear`?"));
  }
  const Recipe defaulted =
      parse_recipe("a_stage: {a_modifiers: {QuantizationModifier: {scheme: W4A16}}}", "r");
  const std::vector<ModuleName> no_linear = {{"model.norm", ModuleClass::kNorm}};
  try {
    resolve_recipe(defaulted, no_linear);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("r:1:56: the target `Linear` matches"));
  }
  try {
    resolve_recipe(recipe_from_flags({"W4A16", {"Linaer"}, {"lm_haed"}, {}, {}}), kModules);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("--targets: the target `Linaer`"));
    EXPECT_THAT(e.what(), testing::HasSubstr("--ignore: the ignore entry `lm_haed`"));
  }
}

}  // namespace
}  // namespace tersor
