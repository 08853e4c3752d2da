// OLMo-2: norms after both halves, none before; q and k normalized over their whole width. OLMoE: the same
// norms of q and k in Llama's block, experts in every layer.
#include "tersor/base/error.h"
#include "tersor/modeling/arch/families.h"

namespace tersor {

ModelConfig read_olmo2(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  model.attention.qk_norm = QkNorm::kFullWidth;
  model.names.attention_norm.clear();
  model.names.attention_post_norm = "post_attention_layernorm";
  model.names.mlp_norm.clear();
  model.names.mlp_post_norm = "post_feedforward_layernorm";
  return model;
}

ModelConfig read_olmoe(const ConfigReader& config) {
  if (config.has("clip_qkv")) {
    throw input_error(config.origin() + ": `clip_qkv` (clipped queries, keys and values) cannot be run");
  }
  ModelConfig model = read_common(config);
  model.attention.qk_norm = QkNorm::kFullWidth;
  read_experts(config, "num_experts", "intermediate_size", model);
  model.moe.route.renormalize = config.flag("norm_topk_prob", false);
  return model;
}

}  // namespace tersor
