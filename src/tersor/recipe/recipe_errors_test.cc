// Every message of the recipe module, word for word.
#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"
#include "tersor/recipe/recipe.h"

namespace tersor {
namespace {

using testing::HasSubstr;

struct Said {
  std::string message;
  std::string help;
};

template <typename Function>
Said error_of(Function&& function) {
  try {
    function();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage) << e.what();
    return {e.what(), e.help()};
  }
  return {"no error", ""};
}

Said text_error(const std::string& text) {
  return error_of([&] { parse_recipe(text, "recipe.yaml"); });
}

// The error of a recipe with these lines as the modifier's arguments; the first is line 4, column 7.
Said error_of_arguments(const std::string& lines) {
  std::string text = "default_stage:\n  default_modifiers:\n    QuantizationModifier:\n      ";
  for (char c : lines) text += c == '\n' ? std::string("\n      ") : std::string(1, c);
  return text_error(text + "\n");
}

Said error_of_weights(const std::string& fields) {
  return error_of_arguments("config_groups:\n  a:\n    targets: [Linear]\n    weights: {" + fields + "}");
}

constexpr const char* kShape =
    "a recipe is default_stage: {default_modifiers: {QuantizationModifier: {scheme: W4A16, ignore: "
    "[lm_head]}}}";

TEST(RecipeErrors, Grammar) {
  const std::array<std::array<const char*, 3>, 12> cases = {{
      {"", "recipe.yaml: a recipe must be a mapping of `*_stage` stages, but is empty", kShape},
      {"- a\n", "recipe.yaml: a recipe must be a mapping of `*_stage` stages, but is a list", kShape},
      {"W4A16", "recipe.yaml: a recipe must be a mapping of `*_stage` stages, but is `W4A16`", kShape},
      {"a_stage: {}\n", "recipe.yaml: the recipe has no modifier", kShape},
      {"scheme: W4A16\n", "recipe.yaml:1:1: unknown key `scheme` of the recipe",
       "the keys of a recipe are stages, whose names end in `_stage`"},
      {"quant_modifiers: {}\n", "recipe.yaml:1:1: `quant_modifiers` stands outside a stage",
       "put it one level deeper, under default_stage"},
      {"QuantizationModifier: {}\n", "recipe.yaml:1:1: QuantizationModifier stands outside a stage", kShape},
      {"default_stage_0: {}\ndefault_stage_1: {}\n",
       "recipe.yaml:1:1: `default_stage_0` is one of several recipes that llm-compressor joined into one "
       "file",
       "keep the one to apply, and end its name in `_stage`"},
      {"a_stage:\n  QuantizationModifier: {}\n",
       "recipe.yaml:2:3: QuantizationModifier stands outside a group",
       "put it one level deeper, under default_modifiers"},
      {"a_stage:\n  b_modifier: {}\n", "recipe.yaml:2:3: unknown key `b_modifier` of the stage `a_stage`",
       "the keys of a stage are groups, whose names end in `_modifiers`"},
      {"a_stage: 3\n", "recipe.yaml:1:10: `a_stage` must be a mapping of `*_modifiers` groups, but is `3`",
       kShape},
      {"a_stage:\n  b_modifiers: [x]\n",
       "recipe.yaml:2:16: `b_modifiers` must be a mapping from modifiers to their arguments, but is a list",
       kShape},
  }};
  for (const auto& [text, message, help] : cases) {
    const Said said = text_error(text);
    EXPECT_EQ(said.message, message);
    EXPECT_EQ(said.help, help) << text;
  }
}

TEST(RecipeErrors, Modifiers) {
  const Said absent = text_error("a_stage:\n  b_modifiers:\n    AWQModifier: {scheme: W4A16}\n");
  EXPECT_EQ(absent.message, "recipe.yaml:3:5: AWQModifier is not available in this version");
  EXPECT_EQ(absent.help, "`QuantizationModifier` and `GPTQModifier` are: they take the same schemes");
  for (const char* name :
       {"AWQModifier", "SmoothQuantModifier", "SparseGPTModifier", "WandaPruningModifier",
        "MagnitudePruningModifier", "ConstantPruningModifier", "AutoRoundModifier", "SpinQuantModifier",
        "QuIPModifier", "REAPPruningModifier", "LogarithmicEqualizationModifier"}) {
    const Said said = text_error(std::string("a_stage: {b_modifiers: {") + name + ": {}}}");
    EXPECT_EQ(said.message, "recipe.yaml:1:25: " + std::string(name) + " is not available in this version");
  }
  const Said unknown = text_error("a_stage:\n  b_modifiers:\n    QuantisationModifier: {scheme: W4A16}\n");
  EXPECT_EQ(unknown.message, "recipe.yaml:3:5: unknown modifier `QuantisationModifier`");
  EXPECT_EQ(unknown.help, "did you mean `QuantizationModifier`?");
  const Said far = text_error("a_stage:\n  b_modifiers:\n    X: {}\n");
  EXPECT_EQ(far.help, "`QuantizationModifier` and `GPTQModifier` are available");
}

TEST(RecipeErrors, Gptq) {
  const auto said = [](const std::string& arguments) {
    return text_error("a_stage: {b_modifiers: {GPTQModifier: {" + arguments + "}}}");
  };
  EXPECT_EQ(said("scheme: W4A16, actorder: group").message,
            "recipe.yaml:1:65: actorder `group` is no longer part of compressed-tensors");
  EXPECT_EQ(said("scheme: W4A16, block_size: 0").message,
            "recipe.yaml:1:67: block_size is 0, but must be 1 to 4096 columns");
  EXPECT_EQ(said("scheme: W4A16, dampening_frac: 2").message,
            "recipe.yaml:1:71: dampening_frac is 2, but must be 0 to 1");
  EXPECT_THAT(said("scheme: W4A16, damping: 2").help,
              ::testing::StartsWith("did you mean `dampening_frac`?"));
  EXPECT_THAT(
      said(
          "actorder: null, config_groups: {g: {targets: [Linear], weights: {num_bits: 4, actorder: static}}}")
          .message,
      ::testing::HasSubstr("actorder of GPTQModifier is not that of its scheme's weights"));
}

TEST(RecipeErrors, UnknownKeys) {
  const Said key = error_of_arguments("targets: [Linear]\nsheme: W4A16");
  EXPECT_EQ(key.message, "recipe.yaml:5:7: unknown key `sheme` of QuantizationModifier");
  EXPECT_EQ(
      key.help,
      "did you mean `scheme`? its keys are `scheme`, `targets`, `ignore`, `config_groups`, "
      "`kv_cache_scheme`, "
      "`observer`, `weight_observer`, `input_observer`, `output_observer`, `bypass_divisibility_checks`, "
      "`index`, `start`, `end`, `update` and `requires_calibration_data`");
  EXPECT_EQ(error_of_arguments("scheme: W4A16\ngroup: a").message,
            "recipe.yaml:5:7: `group` cannot be set: it is the name before `_modifiers`");
  EXPECT_EQ(error_of_weights("bits: 4").message, "recipe.yaml:7:21: unknown key `bits` of a.weights");
  EXPECT_EQ(error_of_arguments("config_groups:\n  a: {weight: {}}").message,
            "recipe.yaml:5:13: unknown key `weight` of the group `a`");
  EXPECT_EQ(error_of_arguments("scheme: FP8\nobserver: {weight: mse}").message,
            "recipe.yaml:5:18: unknown key `weight` of `observer`");
}

TEST(RecipeErrors, WrongKinds) {
  const std::array<std::array<const char*, 3>, 13> cases = {{
      {"", "recipe.yaml:3:5: QuantizationModifier must be a mapping, but is empty", nullptr},
      {"scheme: [W4A16]", "recipe.yaml:4:15: `scheme` must be text, but is a list", ""},
      {"scheme: 4", "recipe.yaml:4:15: `scheme` must be text, but is `4`, which YAML reads as a number",
       "put it in quotes"},
      {"scheme: W4A16\ntargets: [on]",
       "recipe.yaml:5:17: `targets` must be text, but is `on`, which YAML reads as a boolean",
       "put it in quotes"},
      {"scheme: W4A16\ntargets: {Linear: 1}",
       "recipe.yaml:5:16: `targets` must be a name or a list of names, but is a mapping", ""},
      {"scheme: W4A16\ntargets:",
       "recipe.yaml:5:7: `targets` must be a name or a list of names, but is empty", ""},
      {"scheme: W4A16\ntargets: []", "recipe.yaml:5:16: `targets` is empty", "write targets: [Linear]"},
      {"scheme: W4A16\nignore: [[a]]", "recipe.yaml:5:16: `ignore` must be text, but is a list", ""},
      {"scheme: W4A16\nbypass_divisibility_checks: 'yes'",
       "recipe.yaml:5:35: `bypass_divisibility_checks` must be true or false, but is the text \"yes\"",
       "quotes make it text: take them away"},
      {"scheme: W4A16\nindex: x", "recipe.yaml:5:14: `index` must be a whole number, but is `x`", ""},
      {"scheme: W4A16\nstart: .inf", "recipe.yaml:5:14: `start` must be a number, but is `.inf`", ""},
      {"scheme: FP8\nobserver: mse", "recipe.yaml:5:17: `observer` must be a mapping, but is `mse`",
       "write observer: {weights: mse}, or weight_observer: mse"},
      {"scheme: !mine W4A16", "recipe.yaml:4:15: the tag `!mine` has no meaning in a recipe",
       "write the plain value"},
  }};
  for (const auto& [lines, message, help] : cases) {
    const Said said = error_of_arguments(lines);
    EXPECT_EQ(said.message, message);
    if (help != nullptr) {
      EXPECT_EQ(said.help, help) << lines;
    }
  }
}

TEST(RecipeErrors, Schemes) {
  const Said unknown = error_of_arguments("scheme: W4A61");
  EXPECT_EQ(unknown.message, "recipe.yaml:4:15: unknown scheme `W4A61`");
  EXPECT_THAT(unknown.help,
              testing::StartsWith("did you mean `W4A16`, `W4A4` or `W4A8`? schemes are `W4A16`, "));
  const std::array<std::array<const char*, 3>, 9> cases = {{
      {"scheme: {W4A61: [Linear]}", "recipe.yaml:4:16: unknown scheme `W4A61`", nullptr},
      {"scheme: {weights: {num_bits: 8}}",
       "recipe.yaml:4:16: a mapping under `scheme` goes from schemes to their targets, but `weights` is no "
       "scheme",
       "write a scheme's parts under config_groups: {group_0: {targets: [Linear], weights: {…}}}"},
      {"scheme: {}", "recipe.yaml:4:15: `scheme` is an empty mapping",
       "write scheme: W4A16, or scheme: {W4A16: [Linear]}"},
      {"config_groups: {}",
       "recipe.yaml:4:22: `config_groups` must be a mapping from names to schemes, but is empty", nullptr},
      {"config_groups: W4A16",
       "recipe.yaml:4:22: `config_groups` must be a mapping from names to schemes, but is `W4A16`",
       "write config_groups: {group_0: {targets: [Linear], weights: {num_bits: 8}}}"},
      {"config_groups: {a: {weights: {num_bits: 8}}}", "recipe.yaml:4:26: the group `a` has no targets",
       "add the modules that it is for, e.g. targets: [Linear]"},
      {"config_groups: {W4A16: [Linear]}",
       "recipe.yaml:4:30: the group `W4A16` must be a mapping, but is a list", nullptr},
      {"scheme: W4A16\nconfig_groups: {a: {targets: [Linear]}}",
       "recipe.yaml:4:15: `scheme` and `config_groups` exclude each other", "keep one of the two"},
      {"targets: [Linear]",
       "recipe.yaml:4:7: QuantizationModifier has no scheme, so it would quantize nothing",
       "add scheme: W4A16 or another preset, or config_groups"},
  }};
  for (const auto& [lines, message, help] : cases) {
    const Said said = error_of_arguments(lines);
    EXPECT_EQ(said.message, message);
    if (help != nullptr) {
      EXPECT_EQ(said.help, help) << lines;
    }
  }
  EXPECT_EQ(error_of_arguments("targets: [a]\nconfig_groups: {a: {targets: [Linear]}}").message,
            "recipe.yaml:4:16: `targets` has no effect, since every group of `config_groups` has its own");
  EXPECT_EQ(error_of_arguments("targets: [a]\nscheme: {W4A16: [Linear]}").message,
            "recipe.yaml:4:16: `targets` has no effect, since every entry of `scheme` has its own");
}

TEST(RecipeErrors, Arguments) {
  const std::array<std::array<const char*, 3>, 17> cases = {{
      {"num_bits: four", "recipe.yaml:7:31: `num_bits` must be a whole number, but is `four`", ""},
      {"num_bits: '4'", "recipe.yaml:7:31: `num_bits` must be a whole number, but is the text \"4\"",
       "quotes make it text: take them away"},
      {"num_bits: 16", "recipe.yaml:7:20: a.weights: num_bits is 16, but integer codes have 1 to 8 bits",
       nullptr},
      {"type: integer", "recipe.yaml:7:27: unknown type `integer`", "types are `int` and `float`"},
      {"strategy: grup", "recipe.yaml:7:31: unknown strategy `grup`", nullptr},
      {"group_size: -5",
       "recipe.yaml:7:20: group_size is -5, but must be positive, or -1 for one scale per row", ""},
      {"strategy: group, group_size: -1",
       "recipe.yaml:7:20: a.weights: group_size is -1, but strategy `group` needs a positive one", nullptr},
      {"strategy: group", "recipe.yaml:7:20: a.weights: strategy `group` needs a group_size", nullptr},
      {"dynamic: maybe", "recipe.yaml:7:30: `dynamic` must be true, false or local, but is `maybe`", ""},
      {"dynamic: 'true'",
       "recipe.yaml:7:30: `dynamic` must be true, false or local, but is the text \"true\"",
       "quotes make it text: take them away"},
      {"actorder: group", "recipe.yaml:7:31: actorder `group` is no longer part of compressed-tensors",
       "use `static` (also spelt `weight`) or null"},
      {"actorder: true",
       "recipe.yaml:7:31: `actorder: true` means `group`, which compressed-tensors no longer has", nullptr},
      {"actorder: Weight", "recipe.yaml:7:31: unknown actorder `Weight`", nullptr},
      {"scale_dtype: fp16", "recipe.yaml:7:34: unknown scale_dtype `fp16`",
       "types are spelt as torch does: torch.bfloat16, torch.float8_e4m3fn, torch.uint8"},
      {"strategy: block, block_structure: 128x",
       "recipe.yaml:7:55: `block_structure` must be two positive sizes, rows and columns",
       "write block_structure: [128, 128]"},
      {"strategy: block, block_structure: [128]",
       "recipe.yaml:7:55: `block_structure` must be two positive sizes, rows and columns", nullptr},
      {"observer_kwargs: [a]", "recipe.yaml:7:38: `observer_kwargs` must be a mapping, but is a list", ""},
  }};
  for (const auto& [fields, message, help] : cases) {
    const Said said = error_of_weights(fields);
    EXPECT_EQ(said.message, message);
    if (help != nullptr) {
      EXPECT_EQ(said.help, help) << fields;
    }
  }
  EXPECT_EQ(
      error_of_arguments("config_groups: {a: {targets: [Linear], format: marlin-24, weights: {}}}").message,
      "recipe.yaml:4:54: unknown format `marlin-24` of the group `a`");
  EXPECT_EQ(error_of_arguments("kv_cache_scheme: {num_bits: 8, strategy: channel}").message,
            "recipe.yaml:4:24: kv_cache_scheme: strategy `channel` is not one for keys and values");
}

TEST(RecipeErrors, Observers) {
  const Said unknown = error_of_arguments("scheme: W4A16\nweight_observer: mze");
  EXPECT_EQ(unknown.message, "recipe.yaml:5:24: unknown observer `mze`");
  EXPECT_EQ(unknown.help,
            "did you mean `mse`? observers are `memoryless_minmax`, `static_minmax`, `minmax`, "
            "`memoryless_mse`, `mse` and `imatrix_mse`");
  EXPECT_EQ(error_of_arguments("scheme: W4A16\nobserver: {weights: fouroversix}").message,
            "recipe.yaml:5:27: the observer `fouroversix` is not available in this version");
  EXPECT_EQ(error_of_weights("observer: x").message, "recipe.yaml:7:31: unknown observer `x`");
  const Said argument = error_of_weights("observer: mse, observer_kwargs: {norms: 2}");
  EXPECT_EQ(argument.message, "recipe.yaml:7:20: a.weights: the observer `mse` has no argument `norms`");
  EXPECT_EQ(
      error_of_weights("observer: mse, observer_kwargs: {maxshrink: 2}").message,
      "recipe.yaml:7:20: a.weights: observer_kwargs.maxshrink is 2, but the observer `mse` takes 0 to 1");
  const Said both = error_of_arguments("scheme: FP8\nobserver: {weights: mse}\ninput_observer: mse");
  EXPECT_EQ(both.message,
            "recipe.yaml:5:17: `observer` and `weight_observer`, `input_observer` or `output_observer` "
            "exclude each other");
  EXPECT_EQ(both.help, "keep `observer`");
}

TEST(RecipeErrors, LongTextIsCutShort) {
  const std::string name(300, 'x');
  EXPECT_EQ(error_of_arguments("scheme: " + name).message,
            "recipe.yaml:4:15: unknown scheme `" + name.substr(0, 60) + "…`");
  EXPECT_EQ(error_of_arguments("scheme: " + name.substr(0, 59) + "\xC3\xA9").message,
            "recipe.yaml:4:15: unknown scheme `" + name.substr(0, 59) + "…`");
  EXPECT_EQ(error_of_weights("num_bits: \"a\\nb\"").message,
            "recipe.yaml:7:31: `num_bits` must be a whole number, but is the text \"a b\"");
}

TEST(RecipeErrors, Flags) {
  auto flags_error = [](const RecipeFlags& flags) { return error_of([&] { recipe_from_flags(flags); }); };
  RecipeFlags flags;
  EXPECT_EQ(flags_error(flags).message, "no scheme is given");
  flags.kv_cache_scheme = "int4";
  EXPECT_EQ(flags_error(flags).message, "unknown KV cache scheme `int4`");
  EXPECT_EQ(flags_error(flags).help, "`fp8` is the one that there is");
  flags.observer = "mse";
  EXPECT_EQ(flags_error(flags).message, "no scheme is given");
  flags.scheme = "FP9";
  EXPECT_EQ(flags_error(flags).message, "unknown scheme `FP9`");
  flags.scheme = "FP8";
  flags.observer = "msee";
  EXPECT_EQ(flags_error(flags).message, "unknown observer `msee`");
}

TEST(RecipeErrors, Overrides) {
  auto override_error = [](const char* scheme, const SizeOverrides& overrides) {
    Recipe recipe = recipe_from_flags({scheme, {}, {}, {}, {}});
    return error_of([&] { apply_overrides(recipe, overrides); }).message;
  };
  const SizeOverrides group{64, {}};
  const SizeOverrides block{{}, std::array<int64_t, 2>{64, 64}};
  EXPECT_EQ(override_error("NVFP4A16", group),
            "group size 64 fits no scheme of the recipe: that of `Linear` has groups "
            "of 16, which its format fixes");
  EXPECT_EQ(override_error("MXFP4", group),
            "group size 64 fits no scheme of the recipe: that of `Linear` has groups of "
            "32, which its format fixes");
  EXPECT_EQ(override_error("W8A8", group),
            "group size 64 fits no scheme of the recipe: that of `Linear` has a scale per row and no groups");
  EXPECT_EQ(override_error("FP8", group),
            "group size 64 fits no scheme of the recipe: that of `Linear` has weights of "
            "strategy `tensor` and no groups");
  EXPECT_EQ(override_error("FP8_BLOCK", group),
            "group size 64 fits no scheme of the recipe: that of `Linear` has a "
            "scale per block, whose sizes are its block structure");
  EXPECT_EQ(override_error("UNQUANTIZED", group),
            "group size 64 fits no scheme of the recipe: that of `Linear` quantizes no weights");
  EXPECT_EQ(override_error("W4A16", block),
            "block structure 64x64 fits no scheme of the recipe: that of `Linear` has "
            "weights of strategy `group` and no blocks");
  EXPECT_EQ(override_error("W4A16", {0, {}}), "group size 0: must be positive, or -1 for one scale per row");
  EXPECT_EQ(override_error("FP8_BLOCK", {{}, std::array<int64_t, 2>{99999999999999, 1}}),
            "block structure 99999999999999x1: a side can be 16777216 at most");
  EXPECT_EQ(override_error("FP8_BLOCK", {{}, std::array<int64_t, 2>{0, 64}}),
            "block structure 0x64: both sizes must be positive");

  Recipe recipe = parse_recipe(
      "a_stage: {b_modifiers: {QuantizationModifier: {scheme: {W8A8: [x, y, z], NVFP4A16: [Linear]}}}}",
      "r.yaml");
  EXPECT_EQ(error_of([&] { apply_overrides(recipe, group); }).message,
            "group size 64 fits no scheme of the recipe: that of `x` and 2 more has a scale per row and no "
            "groups; that "
            "of `Linear` has groups of 16, which its format fixes");
  Recipe kv = recipe_from_flags({{}, {}, {}, {}, "fp8"});
  EXPECT_EQ(error_of([&] { apply_overrides(kv, group); }).message,
            "group size 64 fits no scheme of the recipe: it has none");
}

TEST(RecipeErrors, Files) {
  EXPECT_THROW(read_recipe_file("/nowhere/recipe.yaml"), Error);
  const Said said = error_of(
      [] { read_recipe_file(std::string(TERSOR_SOURCE_DIR) + "/src/tersor/recipe/testdata/no_recipe.md"); });
  EXPECT_THAT(said.message, testing::EndsWith("no_recipe.md: no recipe in this Markdown file"));
  EXPECT_EQ(said.help, "a recipe stands at its top, between two lines of `---`");
}

TEST(RecipeErrors, FrontMatterKeepsItsPlaces) {
  const Said said = error_of(
      [] { read_recipe_file(std::string(TERSOR_SOURCE_DIR) + "/src/tersor/recipe/testdata/bad_card.md"); });
  EXPECT_THAT(said.message, HasSubstr("bad_card.md:5:7: unknown key `sheme` of QuantizationModifier"));
}

}  // namespace
}  // namespace tersor
