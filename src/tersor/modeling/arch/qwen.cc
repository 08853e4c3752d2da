// Qwen2 and 2.5 (biases on q, k, v), Qwen3 (norms of q and k), their mixtures of experts, and the text
// decoder of Qwen2.5-VL.
#include <algorithm>

#include "tersor/modeling/arch/families.h"

namespace tersor {
namespace {

// Every decoder_sparse_step-th layer has experts, but for those listed.
void choose_sparse_layers(const ConfigReader& config, ModelConfig& model) {
  const size_t step = config.size("decoder_sparse_step", 1);
  const Json* dense = config.find("mlp_only_layers");
  for (size_t i = 0; i < model.layers.size(); ++i) {
    const bool listed =
        dense != nullptr && dense->is_array() && std::find(dense->begin(), dense->end(), i) != dense->end();
    model.layers[i].moe = !listed && (i + 1) % step == 0;
  }
}

}  // namespace

ModelConfig read_qwen2(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  if (config.flag("use_sliding_window", false)) {
    read_windows(config, true, model);
    if (!config.has("layer_types")) {  // before Transformers 4.53: the first layers see everything
      const size_t full = config.size_or_zero("max_window_layers");
      for (size_t i = 0; i < std::min(full, model.layers.size()); ++i) model.layers[i].window = 0;
    }
  }
  return model;
}

ModelConfig read_qwen2_5_vl(const ConfigReader& config) {
  const bool nested = config.has("text_config");
  ModelConfig model = read_qwen2(nested ? config.object("text_config") : config);
  model.tied_head = config.flag("tie_word_embeddings", model.tied_head);
  return model;
}

ModelConfig read_qwen3(const ConfigReader& config) {
  ModelConfig model = read_qwen2(config);
  model.attention.qk_norm = QkNorm::kPerHead;
  return model;
}

ModelConfig read_qwen2_moe(const ConfigReader& config) {
  ModelConfig model = read_qwen2(config);
  read_experts(config, "num_experts", "moe_intermediate_size", model);
  choose_sparse_layers(config, model);
  model.moe.route.renormalize = config.flag("norm_topk_prob", false);
  model.moe.shared_intermediate = config.size("shared_expert_intermediate_size");
  model.names.shared = "mlp.shared_expert";
  model.names.shared_gate = "mlp.shared_expert_gate";
  return model;
}

ModelConfig read_qwen3_moe(const ConfigReader& config) {
  ModelConfig model = read_qwen3(config);
  read_experts(config, "num_experts", "moe_intermediate_size", model);
  choose_sparse_layers(config, model);
  model.moe.route.renormalize = config.flag("norm_topk_prob", false);
  return model;
}

}  // namespace tersor
