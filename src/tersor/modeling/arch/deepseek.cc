// DeepSeek-V2 and V3 (latent attention; experts in groups) and GLM-4-MoE (V3's experts, ordinary attention).
#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/modeling/arch/families.h"
#include "tersor/modeling/rope.h"

namespace tersor {
namespace {

void read_routed_experts(const ConfigReader& config, ModelConfig& model) {
  read_experts(config, "n_routed_experts", "moe_intermediate_size", model);
  const size_t dense = config.size_or_zero("first_k_dense_replace");
  for (size_t i = 0; i < model.layers.size(); ++i) model.layers[i].moe = i >= dense;
  model.moe.shared_intermediate = model.moe.intermediate * config.size_or_zero("n_shared_experts");
  RouteArgs& route = model.moe.route;
  route.scale = static_cast<float>(config.number("routed_scaling_factor", 1));
  route.groups = config.size("n_group", 1);
  route.top_groups = config.size("topk_group", 1);
  if (model.moe.experts % route.groups != 0 || route.top_groups > route.groups) {
    throw input_error(fmt::format("{}: {} experts in {} groups, of which {} are kept", config.origin(),
                                  model.moe.experts, route.groups, route.top_groups),
                      "compare config.json with the model's original one");
  }
}

// Chosen by sigmoid plus a trained bias, weighted by the sigmoid alone.
void read_sigmoid_router(const ConfigReader& config, ModelConfig& model) {
  RouteArgs& route = model.moe.route;
  route.sigmoid = true;
  route.group_score_top = 2;
  route.renormalize = config.flag("norm_topk_prob", true);
  model.names.router_bias = "mlp.gate.e_score_correction_bias";
}

ModelConfig read_latent_attention(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  MlaConfig mla;
  mla.q_rank = config.size_or_zero("q_lora_rank");
  mla.kv_rank = config.size("kv_lora_rank");
  mla.nope_dim = config.size("qk_nope_head_dim");
  mla.rope_dim = config.size("qk_rope_head_dim");
  AttentionConfig& attention = model.attention;
  attention.mla = mla;
  attention.kv_heads = attention.heads;  // every head expands its own from the latent
  attention.head_dim = mla.nope_dim + mla.rope_dim;
  attention.value_dim = config.size("v_head_dim");
  model.ropes = {read_rope(config, mla.rope_dim)};
  model.ropes[0].interleaved = config.flag("rope_interleave", true);
  attention.scale = static_cast<float>(yarn_score_factor(model.ropes[0]) /
                                       std::sqrt(static_cast<double>(attention.head_dim)));
  return model;
}

}  // namespace

ModelConfig read_deepseek_v2(const ConfigReader& config) {
  ModelConfig model = read_latent_attention(config);
  read_routed_experts(config, model);
  if (config.text("topk_method", "greedy") == "greedy") model.moe.route.groups = 1;
  return model;
}

ModelConfig read_deepseek_v3(const ConfigReader& config) {
  ModelConfig model = read_latent_attention(config);
  read_routed_experts(config, model);
  read_sigmoid_router(config, model);
  return model;
}

ModelConfig read_glm4_moe(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  if (config.flag("use_qk_norm", false)) model.attention.qk_norm = QkNorm::kPerHead;
  read_routed_experts(config, model);
  read_sigmoid_router(config, model);
  return model;
}

}  // namespace tersor
