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

}  // namespace
}  // namespace tersor
