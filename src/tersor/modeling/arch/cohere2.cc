// Cohere's Command family (R7B): attention and MLP read one LayerNorm in parallel; layers with a window have
// interleaved rotary positions, the others none.
#include "tersor/modeling/arch/families.h"

namespace tersor {

ModelConfig read_cohere2(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  model.norm.layer_norm = true;
  model.norm.epsilon = static_cast<float>(config.number("layer_norm_eps", 1e-5));
  model.parallel = true;
  model.names.mlp_norm.clear();
  model.logit_multiplier = static_cast<float>(config.number("logit_scale", 0.0625));
  model.tied_head = config.flag("tie_word_embeddings", true);
  for (RopeConfig& rope : model.ropes) rope.interleaved = true;
  read_windows(config, true, model);
  if (!config.has("layer_types")) {
    const size_t pattern = config.size("sliding_window_pattern", 4);
    for (size_t i = pattern - 1; i < model.layers.size(); i += pattern) model.layers[i].window = 0;
  }
  for (LayerConfig& layer : model.layers) layer.rope = layer.window > 0 ? 0 : -1;
  return model;
}

}  // namespace tersor
