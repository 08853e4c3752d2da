// StarCoder2: LayerNorm with bias, biases everywhere, an MLP without a gate.
#include "tersor/modeling/arch/families.h"

namespace tersor {

ModelConfig read_starcoder2(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  read_windows(config, true, model);
  model.norm.layer_norm = true;
  model.norm.epsilon = static_cast<float>(config.number("norm_epsilon", 1e-5));
  model.mlp.gated = false;
  model.mlp.activation = read_activation(config, "hidden_act", "gelu_pytorch_tanh");
  model.tied_head = config.flag("tie_word_embeddings", true);
  model.names.gate.clear();
  model.names.up = "mlp.c_fc";
  model.names.down = "mlp.c_proj";
  return model;
}

}  // namespace tersor
