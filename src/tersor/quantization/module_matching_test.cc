#include "tersor/quantization/module_matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

// The pattern that matches `name`, or "".
std::string matched(const std::vector<std::string>& patterns, const std::string& name,
                    ModuleClass module_class = ModuleClass::kLinear) {
  const auto hit = NameMatcher(patterns).match({name, module_class});
  return hit ? patterns[hit->pattern] : "";
}

TEST(NameMatcher, ExactNamesBeatRegexesBeatClasses) {
  const std::vector<std::string> patterns = {"Linear", "re:.*q_proj", "model.layers.0.self_attn.q_proj"};
  const NameMatcher matcher(patterns);
  const auto exact = matcher.match({"model.layers.0.self_attn.q_proj", ModuleClass::kLinear});
  EXPECT_EQ(exact->pattern, 2u);
  EXPECT_EQ(exact->specificity, 0);
  const auto regex = matcher.match({"model.layers.1.self_attn.q_proj", ModuleClass::kLinear});
  EXPECT_EQ(regex->pattern, 1u);
  EXPECT_EQ(regex->specificity, 1);
  const auto by_class = matcher.match({"model.layers.1.self_attn.k_proj", ModuleClass::kLinear});
  EXPECT_EQ(by_class->pattern, 0u);
  EXPECT_EQ(by_class->specificity, 2);
  EXPECT_FALSE(matcher.match({"model.norm", ModuleClass::kNorm}));
}

TEST(NameMatcher, EverySpellingCounts) {
  const std::vector<std::string> patterns = {"Linear", "re:model.visual.*", "model.visual.merger"};
  const NameMatcher matcher(patterns);
  const ModuleName spelt{"visual.merger", ModuleClass::kLinear, {"model.visual.merger"}};
  EXPECT_EQ(matcher.match(spelt)->pattern, 2u);
  EXPECT_EQ(matcher.match({"visual.mlp", ModuleClass::kLinear, {"model.visual.mlp"}})->pattern, 1u);
  EXPECT_EQ(matcher.match({"visual.mlp", ModuleClass::kLinear})->pattern, 0u);
}

TEST(NameMatcher, RegexesRankByTheirText) {
  EXPECT_EQ(matched({"re:.*proj", "re:.*layers.*"}, "model.layers.0.q_proj"), "re:.*layers.*");
  EXPECT_EQ(matched({"re:.*layers.*", "re:.*proj"}, "model.layers.0.q_proj"), "re:.*layers.*");
}

TEST(NameMatcher, RegexesAreAnchoredAtTheStartOnly) {
  EXPECT_EQ(matched({"re:lm_head"}, "model.lm_head"), "");
  EXPECT_EQ(matched({"re:lm_head"}, "lm_head.extra"), "re:lm_head");
  EXPECT_EQ(matched({"re:lm_head$"}, "lm_head.extra"), "");
  EXPECT_EQ(matched({"re:.*mlp.gate"}, "model.layers.0.mlp.gate_proj"), "re:.*mlp.gate");
  EXPECT_EQ(matched({R"(re:.*mlp\.gate$)"}, "model.layers.0.mlp.gate_proj"), "");
}

TEST(NameMatcher, NamesAreNotSubstrings) {
  EXPECT_EQ(matched({"lm_head"}, "model.lm_head"), "");
  EXPECT_EQ(matched({"q_proj"}, "model.layers.0.self_attn.q_proj"), "");
  EXPECT_EQ(matched({"linear"}, "q"), "");
}

TEST(NameMatcher, RoutersAreNotLinears) {
  EXPECT_EQ(matched({"Linear"}, "model.layers.0.mlp.gate", ModuleClass::kRouter), "");
  EXPECT_EQ(matched({"Embedding"}, "model.embed_tokens", ModuleClass::kEmbedding), "Embedding");
  EXPECT_EQ(matched({"re:.*gate$"}, "model.layers.0.mlp.gate", ModuleClass::kRouter), "re:.*gate$");
}

TEST(NameMatcher, RepeatedPatternsGiveTheFirst) {
  const std::vector<std::string> patterns = {"re:a", "re:a", "b", "b"};
  const NameMatcher matcher(patterns);
  EXPECT_EQ(matcher.match({"a", ModuleClass::kLinear})->pattern, 0u);
  EXPECT_EQ(matcher.match({"b", ModuleClass::kLinear})->pattern, 2u);
}

TEST(NameMatcher, BrokenPatternIsNamed) {
  const std::vector<std::string> patterns = {"re:(unclosed"};
  try {
    NameMatcher matcher(patterns);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("(unclosed"));
  }
}

}  // namespace
}  // namespace tersor
