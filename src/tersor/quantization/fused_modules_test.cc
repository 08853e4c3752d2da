#include "tersor/quantization/fused_modules.h"

#include <set>

#include <gtest/gtest.h>

namespace tersor {
namespace {

TEST(FusedModules, MembersShareAKey) {
  const std::string attention = "model.layers.0.self_attn.";
  for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
    EXPECT_EQ(fused_key(attention + name), attention + "qkv_proj");
  }
  EXPECT_EQ(fused_key(attention + "o_proj"), std::nullopt);
  EXPECT_EQ(fused_key(attention + "q_a_proj"), fused_key(attention + "kv_a_proj_with_mqa"));
  EXPECT_EQ(fused_key(attention + "q_b_proj"), std::nullopt);
  EXPECT_EQ(fused_key("model.layers.0.mlp.down_proj"), std::nullopt);
  EXPECT_EQ(fused_key("q_proj"), "qkv_proj");
  EXPECT_EQ(fused_key(""), std::nullopt);
  EXPECT_EQ(fused_key("q_proj."), std::nullopt);
}

TEST(FusedModules, ExpertsAreApart) {
  EXPECT_EQ(fused_key("m.experts.0.gate_proj"), "m.experts.0.gate_up_proj");
  EXPECT_EQ(fused_key("m.experts.0.up_proj"), "m.experts.0.gate_up_proj");
  EXPECT_NE(fused_key("m.experts.0.up_proj"), fused_key("m.experts.1.up_proj"));
  EXPECT_EQ(fused_key("m.experts.7.w1"), fused_key("m.experts.7.w3"));
  EXPECT_EQ(fused_key("m.experts.7.w2"), std::nullopt);
  EXPECT_NE(fused_key("m.shared_experts.up_proj"), fused_key("m.up_proj"));
}

TEST(FusedModules, NoNameIsInTwoSets) {
  std::set<std::string_view> names;
  for (const FusedSet& set : fused_sets()) {
    EXPECT_GE(set.members.size(), 2u);
    for (std::string_view member : set.members) EXPECT_TRUE(names.insert(member).second) << member;
  }
}

}  // namespace
}  // namespace tersor
