#include "tersor/modifiers/quantization/quantization_modifier.h"

#include <chrono>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two layers of a small model with a router.
std::vector<ModuleName> small_model() {
  std::vector<ModuleName> modules = {{"model.embed_tokens", ModuleClass::kEmbedding}};
  for (int i = 0; i < 2; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    modules.push_back({layer + "input_layernorm", ModuleClass::kNorm});
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      modules.push_back({layer + "self_attn." + name, ModuleClass::kLinear});
    }
    modules.push_back({layer + "mlp.gate", ModuleClass::kRouter});
    for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
      modules.push_back({layer + "mlp.experts.0." + name, ModuleClass::kLinear});
    }
  }
  modules.push_back({"model.norm", ModuleClass::kNorm});
  modules.push_back({"lm_head", ModuleClass::kLinear});
  return modules;
}

QuantizationScheme scheme(const char* preset, std::vector<std::string> targets) {
  QuantizationScheme out = *preset_scheme(preset);
  out.targets = std::move(targets);
  return out;
}

QuantizationModifier modifier(std::vector<QuantizationScheme> groups, std::vector<std::string> ignore = {}) {
  QuantizationModifier out;
  out.groups = std::move(groups);
  out.ignore = std::move(ignore);
  return out;
}

SchemeAssignment assignment_of(const QuantizationModifier& m, const std::string& name) {
  const std::vector<ModuleName> modules = small_model();
  const std::vector<SchemeAssignment> assignments = assign_schemes(m, modules);
  for (size_t i = 0; i < modules.size(); ++i) {
    if (modules[i].name == name) return assignments[i];
  }
  ADD_FAILURE() << "no module " << name;
  return {};
}

Error error_of(const QuantizationModifier& m) {
  try {
    assign_schemes(m, small_model());
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e;
  }
  return {ErrorCode::kUsage, "no error"};
}

TEST(AssignSchemes, ExactBeforeRegexBeforeClass) {
  const QuantizationModifier m = modifier({scheme("W8A8", {"Linear"}), scheme("W4A16", {"re:.*self_attn.*"}),
                                           scheme("FP8", {"model.layers.1.self_attn.q_proj"}),
                                           scheme("W8A16", {"re:.*self_attn\\.k_proj"})});
  EXPECT_EQ(assignment_of(m, "model.layers.0.mlp.experts.0.up_proj").group, 0u);
  EXPECT_EQ(assignment_of(m, "model.layers.0.mlp.experts.0.up_proj").matched_target, "Linear");
  EXPECT_EQ(assignment_of(m, "model.layers.0.self_attn.q_proj").group, 1u);
  EXPECT_EQ(assignment_of(m, "model.layers.1.self_attn.q_proj").group, 2u);
  // Of several patterns the first in string order, "re:.*self_attn.*", whatever the order of the groups.
  EXPECT_EQ(assignment_of(m, "model.layers.0.self_attn.k_proj").group, 1u);
}

TEST(AssignSchemes, RepeatedTargetGoesToTheLaterGroup) {
  const QuantizationModifier m =
      modifier({scheme("W8A8", {"Linear"}), scheme("W4A16", {"Embedding", "Linear"})});
  EXPECT_EQ(assignment_of(m, "lm_head").group, 1u);
}

TEST(AssignSchemes, IgnoreWinsAndSaysWhy) {
  const QuantizationModifier m =
      modifier({scheme("W8A8", {"Linear", "lm_head"})}, {"lm_head", "re:.*down_proj$", "Embedding"});
  EXPECT_EQ(assignment_of(m, "lm_head").group, std::nullopt);
  EXPECT_EQ(assignment_of(m, "lm_head").matched_target, "lm_head");
  EXPECT_EQ(assignment_of(m, "lm_head").reason, "ignored by `lm_head`");
  EXPECT_EQ(assignment_of(m, "model.layers.1.mlp.experts.0.down_proj").reason,
            "ignored by `re:.*down_proj$`");
  EXPECT_EQ(assignment_of(m, "model.embed_tokens").reason, "no target names it");
  EXPECT_EQ(assignment_of(m, "model.layers.0.mlp.experts.0.up_proj").reason, "");
}

TEST(AssignSchemes, OnlyLinearAndEmbeddingTakeSchemes) {
  const QuantizationModifier m = modifier({scheme("W8A16", {"re:.*"})});
  EXPECT_EQ(assignment_of(m, "model.embed_tokens").group, 0u);
  EXPECT_EQ(assignment_of(m, "model.norm").reason, "a norm");
  EXPECT_EQ(assignment_of(m, "model.layers.0.mlp.gate").reason, "an MoE router");
  EXPECT_EQ(assignment_of(m, "model.layers.0.mlp.gate").group, std::nullopt);
  EXPECT_EQ(assignment_of(modifier({scheme("W8A16", {"Linear"})}), "model.layers.0.mlp.gate").group,
            std::nullopt);
}

TEST(AssignSchemes, NoGroupsAssignNothing) {
  EXPECT_EQ(assignment_of(modifier({}), "lm_head").reason, "no target names it");
}

// A pattern that another outranks everywhere still matches.
TEST(AssignSchemes, OutrankedPatternsCount) {
  EXPECT_STREQ(error_of(modifier({scheme("W8A8", {"Linear", "re:.*", "re:.*q_proj"})},
                                 {"lm_head", "re:.*head", "re:lm_.*"}))
                   .what(),
               "no error");
}

TEST(AssignSchemes, TargetsThatMatchNothingAreErrors) {
  const Error slip = error_of(modifier({scheme("W8A8", {"re:.*q_porj$"})}));
  EXPECT_STREQ(slip.what(), "the target `re:.*q_porj$` matches no module of the model");
  EXPECT_EQ(slip.help(),
            "did you mean `re:.*q_proj$`? a pattern matches from the start of a module's whole name");

  const Error start = error_of(modifier({scheme("W8A8", {"re:q_proj$"})}));
  EXPECT_EQ(start.help(),
            "did you mean `re:.*q_proj$`? a pattern matches from the start of a module's whole name");
  EXPECT_THAT(error_of(modifier({scheme("W8A8", {"re:q_proj$|o_proj$"})})).help(),
              HasSubstr("did you mean `re:.*(q_proj$|o_proj$)`?"));
  // The slip is not in the longest word, and escapes are no words.
  EXPECT_THAT(
      error_of(modifier({scheme("W8A8", {"re:.*layers\\.\\d+\\.mlps\\.experts\\..*down_proj"})})).help(),
      HasSubstr("did you mean `re:.*layers\\.\\d+\\.mlp\\.experts\\..*down_proj`?"));
  // Two slips: what is near to the longest word.
  EXPECT_THAT(error_of(modifier({scheme("W8A8", {"re:.*self_atn.*q_porj"})})).help(),
              HasSubstr("did you mean `self_attn`?"));

  const Error name = error_of(modifier({scheme("W8A8", {"model.layers.1.self_atn.q_proj"})}));
  EXPECT_THAT(name.help(), HasSubstr("did you mean `model.layers.1.self_attn.q_proj`?"));

  const Error leaf = error_of(modifier({scheme("W8A8", {"self_attn.q_proj"})}));
  EXPECT_EQ(leaf.help(),
            "a name is a module's whole name; for every `self_attn.q_proj` write "
            "`re:.*\\.self_attn\\.q_proj$`");

  const Error container = error_of(modifier({scheme("W8A8", {"model.layers.0"})}));
  EXPECT_EQ(container.help(),
            "a name stands for one module; for all inside it write `re:model\\.layers\\.0\\..*`");

  const Error class_name = error_of(modifier({scheme("W8A8", {"Linaer"})}));
  EXPECT_THAT(class_name.help(), HasSubstr("did you mean `Linear`"));

  const Error nothing = error_of(modifier({scheme("W8A8", {"Conv2d_of_something"})}));
  EXPECT_EQ(nothing.help(),
            "an entry is a module's whole name, a pattern that starts in `re:`, `Linear` or `Embedding`");
}

TEST(AssignSchemes, AllThatMatchNothingAreToldTogether) {
  QuantizationModifier m =
      modifier({scheme("W8A8", {"Linaer", "Linear"}), scheme("W4A16", {"re:.*mlp.gate$"})},
               {"lm_haed", "model.norm", "re:.*k_porj$"});
  m.places.targets = {{"Linaer", "recipe.yaml:4:20"}};
  m.places.ignore = {{"lm_haed", "--ignore"}};
  const Error error = error_of(m);
  EXPECT_STREQ(error.what(),
               "4 entries of the recipe match nothing\n"
               "  recipe.yaml:4:20: the target `Linaer` matches no module of the model\n"
               "  the target `re:.*mlp.gate$` matches nothing that can be quantized: "
               "`model.layers.0.mlp.gate` is an MoE router\n"
               "  --ignore: the ignore entry `lm_haed` matches no module of the model\n"
               "  the ignore entry `re:.*k_porj$` matches no module of the model");
  EXPECT_EQ(error.help(),
            "`Linaer`: did you mean `Linear`?\n"
            "`lm_haed`: did you mean `lm_head`?\n"
            "`re:.*k_porj$`: did you mean `re:.*k_proj$`?\n"
            "an entry is a module's whole name, a pattern that starts in `re:`, `Linear` or `Embedding`\n"
            "only Linear and Embedding modules are quantized\n"
            "a pattern matches from the start of a module's whole name");
}

// A replaced word may have been a part of the expression's syntax.
TEST(AssignSchemes, AdviceSurvivesHostilePatterns) {
  for (const char* pattern : {"re:(?P<lm_haed>x)(?P=lm_haed)", "...", "re:[[:alpha:]]{9}(?#norm)"}) {
    EXPECT_THAT(error_of(modifier({scheme("W8A8", {"Linear"})}, {pattern})).what(), HasSubstr("ignore entry"))
        << pattern;
  }
}

TEST(AssignSchemes, IgnoresThatMatchNothingAreErrors) {
  const Error slip = error_of(modifier({scheme("W8A8", {"Linear"})}, {"lm_haed"}));
  EXPECT_STREQ(slip.what(), "the ignore entry `lm_haed` matches no module of the model");
  EXPECT_THAT(slip.help(), HasSubstr("did you mean `lm_head`"));
  // A norm or a router may be ignored, though it would take no scheme.
  EXPECT_STREQ(error_of(modifier({scheme("W8A8", {"Linear"})}, {"re:.*mlp.gate$", "model.norm"})).what(),
               "no error");
}

TEST(AssignSchemes, TargetsOfWhatIsNeverQuantizedAreErrors) {
  const Error router = error_of(modifier({scheme("W8A8", {"re:.*mlp\\.gate$"})}));
  EXPECT_STREQ(router.what(),
               "the target `re:.*mlp\\.gate$` matches nothing that can be quantized: "
               "`model.layers.0.mlp.gate` is an MoE router");
  EXPECT_EQ(router.help(), "only Linear and Embedding modules are quantized");
}

TEST(AssignSchemes, BadPatternsAreErrors) {
  EXPECT_THAT(error_of(modifier({scheme("W8A8", {"re:("})})).what(),
              HasSubstr("the regular expression `(` is not valid"));
}

TEST(NeedsCalibration, NamesWhatIsMeasuredOnData) {
  for (const char* name :
       {"W4A16", "W8A8", "FP8_DYNAMIC", "FP8_BLOCK", "NVFP4A16", "MXFP4", "MXFP8", "W4AFP8"}) {
    EXPECT_THAT(needs_calibration(modifier({scheme(name, {"Linear"})})), IsEmpty()) << name;
  }
  EXPECT_THAT(
      needs_calibration(modifier({scheme("FP8", {"Linear"})})),
      ElementsAre("the input activations of `Linear` have static scales, measured on data (`dynamic: true` "
                  "computes them at run time, as FP8_DYNAMIC does)"));
  EXPECT_THAT(
      needs_calibration(modifier({scheme("NVFP4", {"Linear"})})),
      ElementsAre("the input activations of `Linear` have a global scale, measured on data (NVFP4A16 leaves "
                  "activations as they are)"));
  QuantizationModifier m = modifier({scheme("W4A16", {"Linear"})});
  m.groups[0].weights->observer = "imatrix_mse";
  m.groups[0].output_activations = scheme("FP8", {}).input_activations;
  m.kv_cache_scheme = scheme("FP8", {}).input_activations;
  EXPECT_THAT(
      needs_calibration(m),
      ElementsAre("the observer `imatrix_mse` weighs the weights of `Linear` by their inputs (the observer "
                  "`memoryless_mse` does without)",
                  "the output activations of `Linear` have static scales, measured on data",
                  "kv_cache_scheme has scales of keys and values, measured on data"));
}

}  // namespace
}  // namespace tersor
