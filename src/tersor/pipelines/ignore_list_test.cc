#include "tersor/pipelines/ignore_list.h"

#include <gtest/gtest.h>

#include "tersor/pipelines/reader_spelling.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {
namespace {

using Names = std::vector<std::string>;

bool matches(const Names& ignore, const std::string& name) {
  return NameMatcher(ignore).match({name, ModuleClass::kLinear}).has_value();
}

TEST(IgnoreList, HoldsNamesAloneForAModelOfOnePart) {
  EXPECT_EQ(ignore_list({{"model.layers.0.mlp.gate", "lm_head"}, {"model.layers.0.mlp.up_proj"}}, false),
            (Names{"lm_head", "model.layers.0.mlp.gate"}));
}

TEST(IgnoreList, MatchesATowerUnderEverySpelling) {
  const Names ignore = ignore_list(
      {{"visual.blocks.0.attn.qkv", "visual.merger.mlp.0", "lm_head"}, {"model.layers.0.self_attn.q_proj"}},
      true);
  for (const char* name :
       {"visual.blocks.0.attn.qkv", "model.visual.blocks.0.attn.qkv", "model.visual.merger.mlp.0",
        "visual.blocks.0.attn.qkv_proj", "lm_head", "language_model.lm_head"})
    EXPECT_TRUE(matches(ignore, name)) << name;
  for (const char* name :
       {"model.layers.0.self_attn.q_proj", "model.language_model.layers.0.self_attn.q_proj",
        "language_model.model.layers.7.self_attn.q_proj", "model.visualizer.q_proj"})
    EXPECT_FALSE(matches(ignore, name)) << name;
}

TEST(OtherSpellings, AreThoseOfTheReaders) {
  EXPECT_EQ(other_spellings("visual.blocks.0.attn.qkv"), (Names{"model.visual.blocks.0.attn.qkv"}));
  EXPECT_EQ(other_spellings("model.visual.blocks.0.attn.qkv"), (Names{"visual.blocks.0.attn.qkv"}));
  EXPECT_EQ(
      other_spellings("model.layers.0.mlp.up_proj"),
      (Names{"model.language_model.layers.0.mlp.up_proj", "language_model.model.layers.0.mlp.up_proj"}));
  EXPECT_EQ(other_spellings("language_model.model.embed_tokens"),
            (Names{"model.language_model.embed_tokens"}));
  EXPECT_EQ(other_spellings("language_model.lm_head"), (Names{"lm_head"}));
  EXPECT_EQ(other_spellings("lm_head"), (Names{"language_model.lm_head"}));
}

TEST(IgnoreList, NamesEveryLayerOrTheOneWhereAPartIsQuantized) {
  const Names ignore =
      ignore_list({{"model.layers.0.mlp.gate", "model.layers.1.mlp.gate", "model.layers.0.mlp.up_proj"},
                   {"model.layers.1.mlp.up_proj"}},
                  true);
  EXPECT_TRUE(matches(ignore, "language_model.model.layers.1.mlp.gate"));
  EXPECT_TRUE(matches(ignore, "model.language_model.layers.0.mlp.up_proj"));
  EXPECT_FALSE(matches(ignore, "model.language_model.layers.1.mlp.up_proj"));
  EXPECT_FALSE(matches(ignore, "model.language_model.layers.0.mlp.gate_up_proj"));
  EXPECT_EQ(ignore.size(), 5U);
}

TEST(IgnoreList, LeavesOutAPatternThatWouldMatchAQuantizedModule) {
  // Two spellings of one core in one checkpoint: no pattern can tell them apart.
  EXPECT_EQ(ignore_list({{"model.layers.0.up_proj"}, {"language_model.layers.0.up_proj"}}, true),
            (Names{"model.layers.0.up_proj"}));
}

}  // namespace
}  // namespace tersor
