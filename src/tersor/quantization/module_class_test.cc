#include "tersor/quantization/module_class.h"

#include <gtest/gtest.h>

namespace tersor {
namespace {

struct Case {
  const char* name;
  Shape shape;
  ModuleClass expected;
  const char* model_type = "";
};

// Names as the checkpoints of real model families have them.
TEST(ModuleClass, OfRealFamilies) {
  using enum ModuleClass;
  const Case kCases[] = {
      {"model.layers.0.self_attn.q_proj", {576, 576}, kLinear},
      {"model.layers.0.mlp.gate_proj", {1536, 576}, kLinear},
      {"model.layers.0.mlp.gate_up_proj", {3072, 576}, kLinear},
      {"model.layers.0.mlp.experts.3.gate_proj", {64, 32}, kLinear},
      {"model.layers.0.mlp.shared_expert.gate_proj", {64, 32}, kLinear},
      {"model.layers.0.block_sparse_moe.experts.0.w1", {64, 32}, kLinear},
      {"model.layers.0.per_layer_input_gate", {64, 32}, kLinear},
      {"lm_head", {49152, 576}, kLinear},
      {"embed_out", {49152, 576}, kLinear},
      {"model.embed_vision.embedding_projection", {64, 32}, kLinear},
      {"vision_tower.embeddings.patch_embedding", {1152, 768}, kLinear},
      {"model.vision_embed_tokens", {4096, 2700}, kLinear},
      {"model.embed_tokens", {49152, 576}, kEmbedding},
      {"transformer.wte", {50257, 768}, kEmbedding},
      {"transformer.wpe", {1024, 768}, kEmbedding},
      {"transformer.word_embeddings", {65024, 4544}, kEmbedding},
      {"gpt_neox.embed_in", {50432, 512}, kEmbedding},
      {"model.tok_embeddings", {32000, 4096}, kEmbedding},
      {"vision_model.embeddings.position_embedding", {729, 1152}, kEmbedding},
      {"backbone.embeddings", {50280, 768}, kEmbedding},
      {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias", {32, 12}, kEmbedding},
      {"model.layers.0.input_layernorm", {576}, kNorm},
      {"model.norm", {576}, kNorm},
      {"transformer.h.0.ln_1", {768}, kNorm},
      {"transformer.word_embeddings_layernorm", {1024}, kNorm},
      {"model.layers.0.self_attn.q_norm", {64, 128}, kNorm},  // Cohere: one row per head
      {"model.layers.0.mlp.gate", {64, 2048}, kRouter},
      {"model.layers.0.block_sparse_moe.gate", {8, 4096}, kRouter},
      {"model.layers.0.feed_forward.router", {16, 5120}, kRouter},
      {"model.layers.0.block_sparse_moe.router.layer", {32, 1024}, kRouter},
      {"model.layers.0.mlp.gate.wg", {64, 4096}, kRouter},
      {"model.layers.0.mlp.router", {32, 2880}, kRouter},
      {"model.layers.0.mlp.shared_expert_gate", {1, 2048}, kRouter},
      {"encoder.block.1.layer.1.mlp.router.classifier", {8, 768}, kRouter},
      {"model.layers.0.mamba.conv1d", {3072, 1, 4}, kConv},
      {"visual.patch_embed.proj", {1152, 3, 2, 14, 14}, kConv},
      {"vision_model.embeddings.patch_embedding", {1152, 3, 14, 14}, kConv},
      {"transformer.h.0.attn.c_attn", {768, 2304}, kConv, "gpt2"},
      {"transformer.h.0.attn.c_attn", {2304, 2048}, kLinear, "gpt_bigcode"},
      {"model.layers.0.block_sparse_moe.input_linear", {32, 1024, 1024}, kOther},
      {"model.layers.0.mlp.experts.gate_up_proj", {32, 5760, 2880}, kOther},
      {"model.layers.0.layer_scalar", {1}, kOther},
      {"scalar", {}, kOther},
      {"empty", {0, 64}, kOther},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(to_string(classify_module(c.name, c.shape, c.model_type)), to_string(c.expected)) << c.name;
  }
}

}  // namespace
}  // namespace tersor
