// Checkpoints that lack something, and real ones that only look so.
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tersor/compressors/load_rules.h"

namespace tersor {
namespace {

// A decoder of `layers` layers; weights are taken away or changed by name.
struct Source {
  Json config = {{"model_type", "llama"},
                 {"architectures", {"LlamaForCausalLM"}},
                 {"num_hidden_layers", 3},
                 {"tie_word_embeddings", false}};
  LoadContext context;

  Source() {
    add("model.embed_tokens");
    for (int l = 0; l < 3; ++l) {
      const std::string layer = fmt::format("model.layers.{}.", l);
      for (const char* leaf : {"q_proj", "k_proj", "v_proj", "o_proj"}) add(layer + "self_attn." + leaf);
      for (const char* leaf : {"gate_proj", "up_proj", "down_proj"}) add(layer + "mlp." + leaf);
      context.other_weights.push_back({layer + "input_layernorm", 1});
    }
    add("lm_head");
  }
  Source& add(const std::string& name) {
    context.modules.push_back({.name = name, .out = 64, .in = 64, .matched_target = ""});
    return *this;
  }
  // Those whose names end so.
  Source& remove(const std::string& part) {
    std::erase_if(context.modules, [&](const LoadableModule& m) { return m.name.ends_with(part); });
    std::erase_if(context.other_weights, [&](const OtherWeight& w) { return w.name.ends_with(part); });
    return *this;
  }
  Source& family(const char* model_type, const char* architecture = "SomeForCausalLM") {
    config["model_type"] = model_type;
    config["architectures"] = {architecture};
    return *this;
  }
  Source& flatten(const std::string& name, size_t dimensions = 1) {
    remove(name);
    context.other_weights.push_back({name, dimensions});
    return *this;
  }
  std::vector<LoadIssue> issues() {
    context.config = &config;
    return check_load_rules(context);
  }
  std::string broken() {  // "rule: message", of the only one
    const std::vector<LoadIssue> all = issues();
    if (all.size() != 1) return fmt::format("{} issues", all.size());
    EXPECT_TRUE(all[0].fatal);
    EXPECT_EQ(all[0].reader, "every reader");
    return all[0].rule + ": " + all[0].message;
  }
};

TEST(CompleteCheckpoint, NothingIsMissing) { EXPECT_TRUE(Source().issues().empty()); }

TEST(CompleteCheckpoint, ALayerWithoutItsQueries) {
  for (const char* family : {"llama", "some_new_model"}) {
    EXPECT_EQ(
        Source().family(family).remove("layers.1.self_attn.q_proj").broken(),
        "layers-complete: the checkpoint lacks model.layers.1.self_attn.q_proj.weight, a part of every such "
        "layer: readers fill it with random numbers");
  }
  EXPECT_EQ(Source().family("some_new_model").remove("layers.2.mlp.up_proj").broken().substr(0, 16),
            "layers-complete:");
}

TEST(CompleteCheckpoint, WhatNoLayerHas) {
  EXPECT_EQ(Source().remove("q_proj").broken(),
            "layers-complete: the checkpoint lacks 3 tensors (model.layers.0.self_attn.q_proj.weight, …), a "
            "part of "
            "every such layer: readers fill it with random numbers");
  EXPECT_EQ(Source().remove("gate_proj").broken().substr(0, 16), "layers-complete:");
  // Of a model that is not known this may be as it should.
  EXPECT_TRUE(Source().family("some_new_model").remove("q_proj").issues().empty());
  EXPECT_TRUE(Source().family("some_new_model").remove("gate_proj").issues().empty());
}

TEST(CompleteCheckpoint, LayersMayDiffer) {
  // Shared keys and values, layers without attention, keys that are values as well.
  for (const char* family : {"gemma3n_text", "nemotron_h"}) {
    EXPECT_TRUE(
        Source().family(family).remove("1.self_attn.k_proj").remove("1.self_attn.v_proj").issues().empty());
    EXPECT_TRUE(Source().family(family).remove("2.self_attn.v_proj").issues().empty());
    Source none;
    for (const char* leaf : {"q_proj", "k_proj", "v_proj", "o_proj"})
      none.remove(fmt::format("1.self_attn.{}", leaf));
    EXPECT_TRUE(none.family(family).issues().empty());
  }
}

TEST(CompleteCheckpoint, DenseLayersAmongExperts) {
  Source mixed;
  mixed.family("deepseek_v3");
  for (const char* leaf : {"gate_proj", "up_proj", "down_proj"}) mixed.remove(fmt::format("2.mlp.{}", leaf));
  mixed.add("model.layers.2.mlp.gate");
  for (int e = 0; e < 3; ++e) {
    for (const char* leaf : {"gate_proj", "up_proj", "down_proj"})
      mixed.add(fmt::format("model.layers.2.mlp.experts.{}.{}", e, leaf));
  }
  EXPECT_TRUE(mixed.issues().empty());
  EXPECT_EQ(
      mixed.remove("experts.1.down_proj").broken(),
      "layers-complete: the checkpoint lacks model.layers.2.mlp.experts.1.down_proj.weight, a part of every "
      "such layer: readers fill it with random numbers");
}

TEST(CompleteCheckpoint, WholePartsAndLayers) {
  EXPECT_EQ(Source().remove("1.input_layernorm").broken().substr(0, 70),
            "layers-complete: the checkpoint lacks model.layers.1.input_layernorm.w");
  Source more;
  more.config["num_hidden_layers"] = 4;
  EXPECT_EQ(more.broken(),
            "layer-count: config.json says 4 layers, and the checkpoint holds nothing of layer 3");
  more.config["num_hidden_layers"] = uint64_t{1} << 62;
  EXPECT_EQ(more.broken().substr(0, 12), "layer-count:");
}

TEST(CompleteCheckpoint, VectorsInPlaceOfMatrices) {
  for (const char* family : {"llama", "some_new_model"}) {
    EXPECT_EQ(
        Source().family(family).flatten("model.layers.1.mlp.gate_proj").broken(),
        "weight-dimensions: model.layers.1.mlp.gate_proj.weight has 1 dimension, a matrix was expected: "
        "readers fill it with random numbers");
  }
  Source all;
  for (int l = 0; l < 3; ++l) all.flatten(fmt::format("model.layers.{}.mlp.gate_proj", l), 6);
  EXPECT_EQ(
      all.broken(),
      "weight-dimensions: model.layers.0.mlp.gate_proj.weight has 6 dimensions, a matrix was expected (3 "
      "such tensors): readers fill it with random numbers");
  EXPECT_TRUE(all.family("some_new_model").issues().empty());
}

TEST(CompleteCheckpoint, Ends) {
  EXPECT_EQ(Source().remove("embed_tokens").broken().substr(0, 16), "input-embedding:");
  EXPECT_EQ(Source().remove("lm_head").broken().substr(0, 12), "output-head:");
  Source tied;
  tied.remove("lm_head").config["tie_word_embeddings"] = true;
  EXPECT_TRUE(tied.issues().empty());
  Source silent;  // the family's default decides
  silent.remove("lm_head").config.erase("tie_word_embeddings");
  EXPECT_TRUE(silent.issues().empty());
  // An embedder has no lm_head, the draft of a speculative decoder no embedding.
  EXPECT_TRUE(Source().family("mistral", "MistralModel").remove("lm_head").issues().empty());
  EXPECT_TRUE(Source().family("llama", "LlamaForCausalLMEagle3").remove("embed_tokens").issues().empty());
  EXPECT_TRUE(Source().family("some_new_model").remove("embed_tokens").remove("lm_head").issues().empty());
}

TEST(CompleteCheckpoint, TheModelType) {
  Source source;
  source.config.erase("model_type");
  EXPECT_EQ(source.broken().substr(0, 11), "model-type:");
  source.config["model_type"] = 5;
  EXPECT_EQ(source.broken().substr(0, 11), "model-type:");
}

}  // namespace
}  // namespace tersor
