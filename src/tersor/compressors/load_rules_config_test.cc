// config.json against itself and against the sizes of the weights.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tersor/compressors/load_rules.h"

namespace tersor {
namespace {

using testing::HasSubstr;

// Two layers of a Llama with 4 heads, 2 of keys and values, of 8 channels each.
struct Source {
  Json config = {{"model_type", "llama"},       {"architectures", {"LlamaForCausalLM"}},
                 {"num_hidden_layers", 2},      {"hidden_size", 32},
                 {"intermediate_size", 80},     {"num_attention_heads", 4},
                 {"num_key_value_heads", 2},    {"vocab_size", 100},
                 {"tie_word_embeddings", false}};
  LoadContext context;

  Source() {
    add("model.embed_tokens", 100, 32);
    for (int l = 0; l < 2; ++l) {
      const std::string layer = fmt::format("model.layers.{}.", l);
      add(layer + "self_attn.q_proj", 32, 32);
      add(layer + "self_attn.k_proj", 16, 32);
      add(layer + "self_attn.v_proj", 16, 32);
      add(layer + "self_attn.o_proj", 32, 32);
      add(layer + "mlp.gate_proj", 80, 32);
      add(layer + "mlp.up_proj", 80, 32);
      add(layer + "mlp.down_proj", 32, 80);
    }
    add("lm_head", 100, 32);
  }
  void add(const std::string& name, uint64_t out, uint64_t in) {
    context.modules.push_back({.name = name, .out = out, .in = in, .matched_target = ""});
  }
  Source& set(const char* key, const Json& value) {
    config[key] = value;
    return *this;
  }
  std::string broken() {  // "rule: message" of each
    context.config = &config;
    std::string all;
    for (const LoadIssue& issue : check_load_rules(context)) {
      EXPECT_TRUE(issue.fatal);
      all += issue.rule + ": " + issue.message + "\n";
    }
    return all;
  }
};

TEST(ConfigRules, AConfigThatFitsItsWeightsIsTaken) {
  EXPECT_EQ(Source().broken(), "");
  EXPECT_EQ(Source().set("head_dim", 8).broken(), "");
  EXPECT_EQ(Source().set("head_dim", nullptr).broken(), "");
}

TEST(ConfigRules, EverySizeIsComparedWithTheWeights) {
  EXPECT_EQ(
      Source().set("vocab_size", 101).broken(),
      "config-sizes: model.embed_tokens.weight has 100 rows, config.json says 101 (vocab_size); 2 weights "
      "contradict it\n");
  EXPECT_EQ(Source().set("num_key_value_heads", 1).broken(),
            "config-sizes: model.layers.0.self_attn.k_proj.weight has 16 rows, config.json says 8 "
            "(num_key_value_heads × 8 a head); 4 weights contradict it\n");
  EXPECT_THAT(Source().set("hidden_size", 64).set("head_dim", 8).broken(),
              HasSubstr("model.embed_tokens.weight has 32 columns, config.json says 64 (hidden_size)"));
  EXPECT_THAT(Source().set("intermediate_size", 96).broken(), HasSubstr("mlp.gate_proj.weight has 80 rows"));
  EXPECT_THAT(Source().set("head_dim", 16).broken(),
              HasSubstr("q_proj.weight has 32 rows, config.json says 64"));
}

TEST(ConfigRules, WhatTheConfigDoesNotSayIsNotGuessed) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_key_value_heads", "vocab_size"}) {
    Source source;
    source.config.erase(key);
    EXPECT_EQ(source.broken(), "") << key;
  }
  // Gemma's heads have 256 channels unless head_dim says otherwise.
  EXPECT_EQ(Source().set("model_type", "gemma3_text").broken(), "");
  EXPECT_THAT(Source().set("model_type", "gemma3_text").set("head_dim", 4).broken(),
              HasSubstr("config-sizes"));
  EXPECT_EQ(Source().set("model_type", "some_other").set("hidden_size", 7).broken(), "");
}

TEST(ConfigRules, TheTextModelOfSeveralPartsIsJudgedByItsOwnConfig) {
  Source source;
  Json text = source.config;
  text["vocab_size"] = 90;  // the embedding has room for the tokens of images
  source.config = {{"model_type", "llava"}, {"text_config", text}, {"vision_config", Json::object()}};
  EXPECT_EQ(source.broken(), "");
  source.config["text_config"]["intermediate_size"] = 81;
  EXPECT_THAT(source.broken(), HasSubstr("config-sizes"));
}

TEST(ConfigRules, CountsOfZeroAreRefused) {
  EXPECT_THAT(Source().set("num_attention_heads", 0).broken(),
              HasSubstr("config-counts: config.json says `num_attention_heads: 0`"));
  EXPECT_THAT(Source().set("num_hidden_layers", 0).broken(), HasSubstr("config-counts"));
}

TEST(ConfigRules, ArchitecturesAreAList) {
  EXPECT_THAT(Source().set("architectures", "LlamaForCausalLM").broken(), HasSubstr("architectures: "));
  EXPECT_THAT(Source().set("architectures", {1}).broken(), HasSubstr("architectures: "));
  EXPECT_EQ(Source().set("architectures", nullptr).broken(), "");
}

}  // namespace
}  // namespace tersor
