// Gemma 2 (soft caps, windows in every second layer) and Gemma 3 (norms of q and k, two rotary bases): norms
// of weight 1 + w before and after both halves, embeddings times √hidden.
#include <cmath>

#include "tersor/modeling/arch/families.h"
#include "tersor/modeling/rope.h"

namespace tersor {
namespace {

ModelConfig read_gemma(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  model.norm.offset_one = true;
  model.embedding_multiplier = static_cast<float>(std::sqrt(static_cast<double>(model.hidden)));
  model.mlp.activation = read_activation(config, "hidden_activation", "gelu_pytorch_tanh");
  model.attention.scale = static_cast<float>(1 / std::sqrt(config.number("query_pre_attn_scalar", 256)));
  model.attention.soft_cap = static_cast<float>(config.number("attn_logit_softcapping", 0));
  model.logit_soft_cap = static_cast<float>(config.number("final_logit_softcapping", 0));
  model.tied_head = config.flag("tie_word_embeddings", true);
  model.names.attention_post_norm = "post_attention_layernorm";
  model.names.mlp_norm = "pre_feedforward_layernorm";
  model.names.mlp_post_norm = "post_feedforward_layernorm";
  return model;
}

// Without `layer_types`, every `pattern`-th layer sees all positions.
void read_pattern(const ConfigReader& config, size_t pattern, ModelConfig& model) {
  read_windows(config, true, model);
  if (config.has("layer_types")) return;
  for (size_t i = pattern - 1; i < model.layers.size(); i += pattern) model.layers[i].window = 0;
}

}  // namespace

ModelConfig read_gemma2(const ConfigReader& config) {
  ModelConfig model = read_gemma(config);
  read_pattern(config, 2, model);
  return model;
}

ModelConfig read_gemma3(const ConfigReader& config) {
  ModelConfig model = read_gemma(config);
  model.attention.qk_norm = QkNorm::kPerHead;
  read_pattern(config, config.size("sliding_window_pattern", 6), model);
  RopeConfig global = read_rope(config, model.attention.head_dim, "full_attention");
  RopeConfig local = read_rope(config, model.attention.head_dim, "sliding_attention");
  if (!config.has("rope_parameters")) {  // before Transformers 5
    if (!config.has("rope_theta")) global.theta = 1e6;
    local = RopeConfig{};
    local.dim = global.dim;
    local.max_positions = local.original_max_positions = global.max_positions;
    local.theta = config.number("rope_local_base_freq", 10000);
  }
  model.ropes = {global, local};
  for (LayerConfig& layer : model.layers) layer.rope = layer.window > 0 ? 1 : 0;
  return model;
}

}  // namespace tersor
