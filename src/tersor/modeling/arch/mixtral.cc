// Mixtral (w1 = gate, w3 = up, w2 = down) and Granite-MoE (all experts of a layer in one tensor).
#include "tersor/modeling/arch/families.h"

namespace tersor {

ModelConfig read_mixtral(const ConfigReader& config) {
  ModelConfig model = read_mistral(config);
  read_experts(config, "num_local_experts", "intermediate_size", model);
  model.moe.route.renormalize = true;
  model.names.router = "block_sparse_moe.gate";
  model.names.experts = "block_sparse_moe.experts";
  model.names.expert_gate = "w1";
  model.names.expert_up = "w3";
  model.names.expert_down = "w2";
  return model;
}

ModelConfig read_granitemoe(const ConfigReader& config) {
  ModelConfig model = read_granite(config);
  read_experts(config, "num_local_experts", "intermediate_size", model);
  model.moe.route.softmax_after = true;
  model.names.router = "block_sparse_moe.router.layer";
  model.names.stacked_gate_up = "block_sparse_moe.input_linear";
  model.names.stacked_down = "block_sparse_moe.output_linear";
  return model;
}

}  // namespace tersor
