#include "tersor/recipe/recipe.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/io/file.h"
#include "tersor/recipe/recipe_writer.h"

namespace tersor {
namespace {

using testing::ElementsAre;

std::string path_of(const std::string& file) {
  return std::string(TERSOR_SOURCE_DIR) + "/tests/recipes/" + file;
}
QuantizationModifier read_one(const std::string& file) {
  const Recipe recipe = read_recipe_file(path_of(file));
  EXPECT_EQ(recipe.modifiers.size(), 1u);
  return recipe.modifiers.at(0).quantization;
}

QuantizationScheme preset(const char* name, std::vector<std::string> targets = {"Linear"}) {
  QuantizationScheme scheme = *preset_scheme(name);
  scheme.targets = std::move(targets);
  return scheme;
}

// A recipe with these lines as the modifier's arguments; the first is line 4, column 7.
std::string with_arguments(const std::string& lines) {
  std::string text = "default_stage:\n  default_modifiers:\n    QuantizationModifier:\n      ";
  for (char c : lines) text += c == '\n' ? std::string("\n      ") : std::string(1, c);
  return text + "\n";
}
QuantizationModifier parse(const std::string& lines) {
  return parse_recipe(with_arguments(lines), "r.yaml").modifiers.at(0).quantization;
}
QuantizationArgs parse_weights(const std::string& fields) {
  return *parse("config_groups: {a: {targets: [Linear], weights: {" + fields + "}}}").groups.at(0).weights;
}

std::vector<std::string> recipe_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path_of(""))) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

TEST(Recipe, PresetsTakeTargetsAndIgnore) {
  const QuantizationModifier modifier = read_one("w4a16.yaml");
  EXPECT_THAT(modifier.groups, ElementsAre(preset("W4A16")));
  EXPECT_THAT(modifier.ignore, ElementsAre("lm_head"));
  EXPECT_FALSE(modifier.kv_cache_scheme);
  EXPECT_FALSE(modifier.bypass_divisibility_checks);
  EXPECT_THAT(read_one("fp8_dynamic.yaml").groups, ElementsAre(preset("FP8_DYNAMIC")));
  EXPECT_THAT(read_one("fp8_block_moe.yaml").groups, ElementsAre(preset("FP8_BLOCK")));
  EXPECT_THAT(read_one("nvfp4.yaml").groups, ElementsAre(preset("NVFP4")));
  EXPECT_THAT(read_one("nvfp4a16.yaml").groups, ElementsAre(preset("NVFP4A16")));
  EXPECT_THAT(read_one("mxfp8.yaml").groups, ElementsAre(preset("MXFP8")));
  EXPECT_THAT(read_one("w8a8.yaml").groups, ElementsAre(preset("W8A8")));
  EXPECT_THAT(read_one("fp8_block_moe.yaml").ignore,
              ElementsAre("lm_head", "re:.*mlp\\.gate$", "re:.*mlp\\.shared_expert_gate$"));
}

TEST(Recipe, NamesOfSchemesAndObserversAreFreeInCase) {
  QuantizationScheme expected = preset("W4A16_ASYM");
  expected.weights->observer = "mse";
  EXPECT_THAT(read_one("w4a16_asym_mse.yaml").groups, ElementsAre(expected));
  EXPECT_EQ(parse("scheme: W4A16\nweight_observer: Memoryless-MSE").groups[0].weights->observer,
            "memoryless_mse");
}

TEST(Recipe, PresetsMapToTheirTargets) {
  const QuantizationModifier modifier = read_one("presets_by_target.yaml");
  std::vector<QuantizationScheme> expected = {preset("W8A16"),
                                              preset("W4A16_ASYM", {"re:.*mlp\\.(gate|up)_proj$"}),
                                              preset("FP8_DYNAMIC", {"re:.*self_attn\\..*"})};
  for (QuantizationScheme& scheme : expected) scheme.weights->observer = "memoryless_mse";
  EXPECT_EQ(modifier.groups, expected);
}

TEST(Recipe, ConfigGroupsSpellSchemesOut) {
  const QuantizationModifier modifier = read_one("mixed_attention_mlp.yaml");
  EXPECT_THAT(modifier.groups, ElementsAre(preset("FP8_DYNAMIC", {"re:.*self_attn\\.(q|k|v|o)_proj$"}),
                                           preset("FP8_BLOCK", {"re:.*mlp\\..*_proj$"})));
  EXPECT_THAT(read_one("embedding.yaml").groups[0].targets, ElementsAre("Embedding"));
}

// compressed-tensors: no group size is one scale per tensor, a positive one groups, -1 one scale per row.
TEST(Recipe, StrategiesFollowFromGroupSizes) {
  const std::vector<QuantizationScheme> groups = read_one("group_size_inferred.yaml").groups;
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].weights->strategy, Strategy::kGroup);
  EXPECT_EQ(groups[0].weights->group_size, 64);
  EXPECT_FALSE(groups[0].weights->symmetric);
  EXPECT_EQ(groups[0].weights->zp_dtype, DType::kI8);
  EXPECT_EQ(groups[1].weights->strategy, Strategy::kChannel);
  EXPECT_EQ(groups[1].weights->group_size, std::nullopt);
  EXPECT_EQ(groups[1].weights->actorder, ActOrder::kStatic);
  EXPECT_EQ(groups[2].weights->strategy, Strategy::kTensor);
  EXPECT_EQ(groups[2].weights->type, QuantizationType::kFloat);
  EXPECT_EQ(groups[2].weights->observer, "mse");
  EXPECT_EQ(groups[2].weights->observer_kwargs,
            (std::map<std::string, double>{{"maxshrink", 0.5}, {"norm", 2}}));
  EXPECT_EQ(groups[2].input_activations->dynamic, Dynamic::kTrue);
}

TEST(Recipe, ArgumentsHaveTheDefaultsOfCompressedTensors) {
  QuantizationArgs expected;  // 8-bit int, symmetric, one scale per tensor, static
  expected.observer = "memoryless_minmax";
  EXPECT_EQ(parse_weights(""), expected);
  EXPECT_EQ(
      parse_weights("group_size: null, strategy: null, actorder: null, observer: null, scale_dtype: null"),
      expected);
  EXPECT_EQ(parse_weights("num_bits: 8.0, zp_dtype: torch.int8, actorder: off, observer_kwargs: {}"),
            expected);
  EXPECT_EQ(parse_weights("actorder: static").actorder, ActOrder::kStatic);
  EXPECT_EQ(parse_weights("scale_dtype: float16, group_size: 64").scale_dtype, DType::kF16);
  EXPECT_EQ(parse_weights("strategy: BLOCK, block_structure: '64x32'").block_structure,
            (std::array<int64_t, 2>{64, 32}));
}

// As in llm-compressor: the modifier's choice, else the scheme's, else the default; none for what is dynamic.
TEST(Recipe, ObserversAreChosenThenDefaulted) {
  auto scheme = [](const std::string& choice, const std::string& weights, const std::string& input) {
    return parse(choice + "config_groups: {a: {targets: [Linear], weights: {" + weights +
                 "}, input_activations: {" + input + "}}}")
        .groups.at(0);
  };
  EXPECT_EQ(scheme("", "", "").weights->observer, "memoryless_minmax");
  EXPECT_EQ(scheme("", "", "").input_activations->observer, "minmax");
  EXPECT_EQ(scheme("", "", "dynamic: true").input_activations->observer, std::nullopt);
  EXPECT_EQ(scheme("", "observer: mse", "observer: static_minmax").weights->observer, "mse");
  EXPECT_EQ(scheme("", "observer: mse", "observer: static_minmax").input_activations->observer,
            "static_minmax");
  EXPECT_EQ(scheme("weight_observer: minmax\n", "observer: mse", "").weights->observer, "minmax");
  EXPECT_EQ(scheme("observer: {input: mse}\n", "", "").input_activations->observer, "mse");
  EXPECT_EQ(parse("scheme: FP8").groups[0].input_activations->observer, "static_minmax");
}

TEST(Recipe, KvCacheSchemeStandsBesideOrAlone) {
  QuantizationArgs fp8;
  fp8.type = QuantizationType::kFloat;
  EXPECT_EQ(read_one("kv_cache_fp8.yaml").kv_cache_scheme, fp8);
  const QuantizationModifier alone = parse("kv_cache_scheme: {num_bits: 8, type: float}");
  EXPECT_EQ(alone.kv_cache_scheme, fp8);
  EXPECT_TRUE(alone.groups.empty());
}

TEST(Recipe, ModifiersKeepFileOrder) {
  const Recipe recipe = read_recipe_file(path_of("two_modifiers.yaml"));
  ASSERT_EQ(recipe.modifiers.size(), 3u);
  EXPECT_EQ(recipe.modifiers[0].stage, "first");
  EXPECT_EQ(recipe.modifiers[0].group, "all");
  EXPECT_EQ(recipe.modifiers[1].group, "attention");
  EXPECT_EQ(recipe.modifiers[2].stage, "second");
  EXPECT_EQ(recipe.modifiers[2].quantization.groups[0],
            preset("UNQUANTIZED", {"re:.*layers\\.0\\.mlp\\.down_proj$"}));
}

TEST(Recipe, AnchorsAndMergeKeysExpand) {
  const std::vector<QuantizationScheme> groups = read_one("anchors.yaml").groups;
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].weights, preset("W8A8").weights);
  EXPECT_EQ(groups[1].weights->num_bits, 4);
  EXPECT_EQ(groups[1].weights->group_size, 32);
  EXPECT_EQ(groups[1].input_activations, groups[0].input_activations);
}

TEST(Recipe, FieldsOfSavedRecipesAreKnown) {
  EXPECT_THAT(read_one("saved.yaml").groups, ElementsAre(preset("FP8_BLOCK")));
  QuantizationScheme expected = preset("W4A16_ASYM");
  expected.weights->actorder = ActOrder::kStatic;
  EXPECT_THAT(read_one("saved_with_python_tags.yaml").groups, ElementsAre(expected));
  EXPECT_TRUE(parse("scheme: W4A16\nbypass_divisibility_checks: yes\nindex: 3\nstart: 1e-3\nend: null")
                  .bypass_divisibility_checks);
}

TEST(Recipe, FieldsOfSavedGptqRecipesAreKnown) {
  const Recipe recipe = read_recipe_file(path_of("saved_gptq.yaml"));
  ASSERT_EQ(recipe.modifiers.size(), 2u);
  EXPECT_EQ(recipe.modifiers[0].quantization.groups[0].input_activations, preset("FP8").input_activations);
  ASSERT_TRUE(recipe.modifiers[0].quantization.kv_cache_scheme);
  EXPECT_EQ(recipe.modifiers[0].quantization.kv_cache_scheme->type, QuantizationType::kFloat);
  EXPECT_EQ(recipe.modifiers[1].gptq, (GptqParameters{.block_size = 64, .dampening_frac = 0.05}));
  const QuantizationArgs& weights = *recipe.modifiers[1].quantization.groups[0].weights;
  EXPECT_EQ(weights.actorder, ActOrder::kStatic);
  EXPECT_EQ(weights.observer, "memoryless_minmax");
  EXPECT_EQ(weights.zp_dtype, DType::kI8);
  // `weight` beside `static` is refused where it was saved.
  EXPECT_THAT(recipe.yaml, testing::Not(testing::HasSubstr("weight\n")));
  EXPECT_EQ(parse_recipe(recipe.yaml, "again").modifiers[1].quantization.groups,
            recipe.modifiers[1].quantization.groups);

  const Recipe old = read_recipe_file(path_of("saved_gptq_with_python_tags.yaml"));
  EXPECT_EQ(old.modifiers.at(0).quantization.groups[0].weights->actorder, ActOrder::kStatic);
  EXPECT_EQ(old.modifiers[0].quantization.groups[0].weights->observer, "minmax");
  EXPECT_THAT(old.yaml, testing::Not(testing::HasSubstr("python")));
  EXPECT_THAT(old.yaml, testing::Not(testing::HasSubstr("offload_hessians")));
}

TEST(Recipe, HowManyModulesAreSolvedAtATimeIsCheckedAndChangesNothing) {
  const auto read = [](const std::string& value) {
    return parse_recipe(
               "a_stage: {b_modifiers: {GPTQModifier: {scheme: W4A16, batched_quantization: " + value + "}}}",
               "r.yaml")
        .modifiers.at(0)
        .gptq;
  };
  for (const char* value : {"auto", "8", "null"}) EXPECT_EQ(read(value), GptqParameters{}) << value;
  for (const char* value : {"0", "many", "[1]"}) EXPECT_THROW(read(value), Error) << value;
}

TEST(Recipe, GptqOrdersItsColumnsAndSearchesScales) {
  const auto read = [](const std::string& arguments) {
    return parse_recipe("a_stage: {b_modifiers: {GPTQModifier: {" + arguments + "}}}", "r.yaml")
        .modifiers.at(0);
  };
  const Modifier plain = read("scheme: W4A16");
  EXPECT_EQ(plain.gptq, GptqParameters{});
  EXPECT_EQ(plain.quantization.groups[0].weights->actorder, ActOrder::kStatic);
  EXPECT_EQ(plain.quantization.groups[0].weights->observer, "imatrix_mse");
  EXPECT_EQ(read("scheme: FP8").quantization.groups[0].weights->observer, "memoryless_mse");
  const Modifier chosen = read(
      "scheme: W4A16, actorder: null, block_size: 64, dampening_frac: 0.1, offload_hessians: true, observer: "
      "{weights: minmax}");
  EXPECT_EQ(chosen.gptq, (GptqParameters{64, 0.1}));
  EXPECT_EQ(chosen.quantization.groups[0].weights->actorder, std::nullopt);
  EXPECT_EQ(chosen.quantization.groups[0].weights->observer, "minmax");
  const Modifier group =
      read("config_groups: {g: {targets: [Linear], weights: {num_bits: 4, observer: minmax}}}");
  EXPECT_EQ(group.quantization.groups[0].weights->observer, "minmax");
  EXPECT_FALSE(parse("scheme: W4A16").kv_cache_scheme);
}

TEST(Recipe, GptqIsWrittenAsItIsRead) {
  for (const char* arguments :
       {"scheme: W4A16\nignore: lm_head", "scheme: W4A16\nignore: lm_head\nactorder: null",
        "scheme: W8A8\nignore: lm_head\nblock_size: 32\ndampening_frac: 0.05"}) {
    std::string text = with_arguments(arguments);
    text.replace(text.find("QuantizationModifier"), std::string("QuantizationModifier").size(),
                 "GPTQModifier");
    const Recipe first = parse_recipe(text, "r.yaml"), second = parse_recipe(first.yaml, "written.yaml");
    ASSERT_NE(first.yaml, text);
    EXPECT_EQ(second.modifiers.at(0).type, "GPTQModifier");
    EXPECT_EQ(second.modifiers[0].gptq, first.modifiers[0].gptq);
    EXPECT_EQ(second.modifiers[0].quantization.groups, first.modifiers[0].quantization.groups) << first.yaml;
  }
}

TEST(Recipe, LaterModifierDecidesHowAModuleIsRounded) {
  const Recipe recipe = parse_recipe(
      "a_stage:\n  b_modifiers:\n    QuantizationModifier: {scheme: W8A16}\n    GPTQModifier: {scheme: "
      "W4A16, targets: "
      "['re:.*mlp.*'], ignore: [mlp.up]}\n",
      "r.yaml");
  const std::vector<ModuleName> modules = {{"attn.q"}, {"mlp.up"}, {"mlp.down"}};
  const ResolvedRecipe resolved = resolve_recipe(recipe, modules);
  EXPECT_FALSE(resolved.gptq[0]);
  EXPECT_FALSE(resolved.gptq[1]);
  EXPECT_TRUE(resolved.gptq[2]);
  EXPECT_EQ(resolved.groups[*resolved.assignments[1].group].weights->num_bits, 8);
  EXPECT_EQ(resolved.groups[*resolved.assignments[2].group].weights->num_bits, 4);
}

TEST(Recipe, JsonAndFrontMatterAreRecipesToo) {
  EXPECT_THAT(read_one("w4afp8.json").groups, ElementsAre(preset("W4AFP8")));
  EXPECT_THAT(read_one("w4afp8.json").ignore, ElementsAre("lm_head", "re:.*\\.gate$"));
  const Recipe card = read_recipe_file(path_of("model_card.md"));
  EXPECT_THAT(card.modifiers.at(0).quantization.groups, ElementsAre(preset("W8A16")));
  EXPECT_TRUE(card.yaml.starts_with("quant_stage:\n")) << card.yaml;
  EXPECT_TRUE(card.yaml.ends_with("ignore: [lm_head]\n")) << card.yaml;
}

TEST(Recipe, KeysWithoutEffectAreTakenAsLlmCompressorTakesThem) {
  const Recipe recipe = parse_recipe(
      "args: {a: 1}\nx_stage:\n  run_type: oneshot\n  y_modifiers:\n    QuantizationModifier: {scheme: "
      "W4A16}\n",
      "r");
  EXPECT_EQ(recipe.modifiers.size(), 1u);
}

TEST(Recipe, TextThatLlmCompressorReadsIsKept) {
  const std::string text = read_file(path_of("fp8_block_moe.yaml"), 1 << 20);
  EXPECT_EQ(parse_recipe(text, "r.yaml").yaml, text);
}

// Python tags, which safe_load refuses; a name where it wants a list; tabs.
TEST(Recipe, TextThatLlmCompressorCannotReadIsWrittenAnew) {
  const std::string canonical = with_arguments("scheme: W4A16\ntargets: [Linear]\nignore: [lm_head]");
  for (const char* arguments : {"scheme: W4A16\nignore: lm_head",
                                "scheme: W4A16\ntargets: !!python/tuple [Linear]\nignore: [lm_head]",
                                "scheme:\tW4A16\nignore: [lm_head]",
                                "config_groups: {a: {targets: Linear, weights: {num_bits: 4, group_size: "
                                "128}}}\nignore: [lm_head]"}) {
    EXPECT_EQ(parse_recipe(with_arguments(arguments), "r.yaml").yaml, canonical) << arguments;
  }
}

// Every recipe of tests/recipes: written anew, it reads as the same.
TEST(RecipeWriter, WhatItWritesReadsAsTheSame) {
  const std::vector<std::string> files = recipe_files();
  ASSERT_GE(files.size(), 12u);
  for (const std::string& file : files) {
    const Recipe recipe = read_recipe_file(file);
    const std::string text = write_recipe(recipe.modifiers);
    const Recipe again = parse_recipe(text, file);
    ASSERT_EQ(again.modifiers.size(), recipe.modifiers.size()) << text;
    for (size_t i = 0; i < again.modifiers.size(); ++i) {
      EXPECT_EQ(again.modifiers[i].stage, recipe.modifiers[i].stage);
      EXPECT_EQ(again.modifiers[i].group, recipe.modifiers[i].group);
      EXPECT_EQ(again.modifiers[i].quantization.groups, recipe.modifiers[i].quantization.groups) << text;
      EXPECT_EQ(again.modifiers[i].quantization.ignore, recipe.modifiers[i].quantization.ignore) << text;
      EXPECT_EQ(again.modifiers[i].quantization.kv_cache_scheme,
                recipe.modifiers[i].quantization.kv_cache_scheme);
    }
    EXPECT_EQ(write_recipe(again.modifiers), text);
  }
}

TEST(Recipe, ShrinkageIsReadAndWritten) {
  const auto read = [](const std::string& value) {
    return parse_recipe("a_stage: {b_modifiers: {GPTQModifier: {scheme: W4A16, shrinkage: " + value + "}}}",
                        "r.yaml");
  };
  EXPECT_EQ(read("null").modifiers[0].gptq->shrinkage, 0.1);
  const Recipe none = read("0");
  EXPECT_EQ(none.modifiers[0].gptq->shrinkage, 0);
  EXPECT_EQ(parse_recipe(write_recipe(none.modifiers), "r.yaml").modifiers[0].gptq, none.modifiers[0].gptq);
  for (const char* value : {"-1", "1000", ".nan", "much"}) EXPECT_THROW(read(value), Error) << value;
}

TEST(RecipeWriter, PositiveScalesStayPositive) {
  RecipeFlags flags{.scheme = "W4A16", .targets = {}, .ignore = {}, .observer = {}, .kv_cache_scheme = {}};
  flags.method = "gptq";
  EXPECT_TRUE(recipe_from_flags(flags).modifiers[0].gptq->signed_scales);
  flags.positive_scales = true;
  const Recipe recipe = recipe_from_flags(flags);
  EXPECT_FALSE(recipe.modifiers[0].gptq->signed_scales);
  EXPECT_FALSE(parse_recipe(recipe.yaml, "r.yaml").modifiers[0].gptq->signed_scales) << recipe.yaml;
  flags.method = "rtn";
  EXPECT_THROW(recipe_from_flags(flags), Error);
}

TEST(RecipeWriter, NamesSurviveWhateverTheyHold) {
  RecipeFlags flags;
  flags.scheme = "W4A16";
  flags.targets = {"Linear",
                   "re:.*(q|k)_proj$",
                   "it's",
                   "yes",
                   "12",
                   "a: b # c",
                   "",
                   "null",
                   "tab\there",
                   "caf\xC3\xA9",
                   "\xF0\x9F\x98\x80",
                   "back\\slash\"quote\x01",
                   "- x",
                   "line\nbreak",
                   "[a]",
                   "*x",
                   "1e3"};
  for (int i = 0; i < 20; ++i) flags.ignore.push_back("model.layers." + std::to_string(i) + ".mlp.down_proj");
  const Recipe recipe = recipe_from_flags(flags);
  const QuantizationModifier again = parse_recipe(recipe.yaml, "r.yaml").modifiers.at(0).quantization;
  EXPECT_EQ(again.groups[0].targets, flags.targets);
  EXPECT_EQ(again.ignore, flags.ignore);
}

TEST(RecipeFlags, WriteTheRecipeThatTheyStandFor) {
  RecipeFlags flags;
  flags.scheme = "fp8_dynamic";
  flags.ignore = {"lm_head", "re:.*gate$"};
  flags.observer = "MSE";
  flags.kv_cache_scheme = "FP8";
  const Recipe recipe = recipe_from_flags(flags);
  EXPECT_EQ(recipe.yaml,
            with_arguments("scheme: FP8_DYNAMIC\ntargets: [Linear]\nweight_observer: mse\n"
                           "ignore: [lm_head, 're:.*gate$']\n"
                           "kv_cache_scheme: {num_bits: 8, type: float, symmetric: true, strategy: tensor}"));
  const Recipe again = parse_recipe(recipe.yaml, "r.yaml");
  EXPECT_EQ(again.modifiers.at(0).quantization.groups, recipe.modifiers.at(0).quantization.groups);
  EXPECT_EQ(again.yaml, recipe.yaml);
}

TEST(Overrides, GroupSizeReachesEverySchemeWithGroups) {
  Recipe recipe = read_recipe_file(path_of("presets_by_target.yaml"));
  apply_overrides(recipe, {.group_size = 64, .block_structure = {}});
  const std::vector<QuantizationScheme>& groups = recipe.modifiers[0].quantization.groups;
  EXPECT_EQ(groups[0].weights->group_size, 64);
  EXPECT_EQ(groups[1].weights->group_size, 64);
  EXPECT_EQ(groups[2].weights->strategy, Strategy::kChannel);
  EXPECT_EQ(parse_recipe(recipe.yaml, "r.yaml").modifiers[0].quantization.groups, groups);
}

TEST(Overrides, GroupSizeMinusOneIsOneScalePerRow) {
  Recipe recipe = recipe_from_flags(
      {.scheme = "W4A16", .targets = {}, .ignore = {}, .observer = {}, .kv_cache_scheme = {}});
  apply_overrides(recipe, {.group_size = -1, .block_structure = {}});
  const QuantizationArgs& weights = *recipe.modifiers[0].quantization.groups[0].weights;
  EXPECT_EQ(weights.strategy, Strategy::kChannel);
  EXPECT_EQ(weights.group_size, std::nullopt);
}

TEST(Overrides, BlocksTakeTheActivationsWithThem) {
  Recipe recipe = read_recipe_file(path_of("fp8_block_moe.yaml"));
  apply_overrides(recipe, {.group_size = {}, .block_structure = std::array<int64_t, 2>{64, 32}});
  const QuantizationScheme& scheme = recipe.modifiers[0].quantization.groups[0];
  EXPECT_EQ(scheme.weights->block_structure, (std::array<int64_t, 2>{64, 32}));
  EXPECT_EQ(scheme.input_activations->group_size, 32);
  EXPECT_EQ(parse_recipe(recipe.yaml, "r.yaml").modifiers[0].quantization.groups[0], scheme);
}

TEST(Overrides, NoneLeavesTheText) {
  Recipe recipe = read_recipe_file(path_of("w4a16.yaml"));
  const std::string before = recipe.yaml;
  apply_overrides(recipe, {});
  EXPECT_EQ(recipe.yaml, before);
}

}  // namespace
}  // namespace tersor
