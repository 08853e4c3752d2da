// Llama 2, 3, 3.1 and what kept its shape: Mistral (a window in every layer), Granite (multipliers), SmolLM3
// (layers without positions).
#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/modeling/arch/families.h"

namespace tersor {

ModelConfig read_llama(const ConfigReader& config) { return read_common(config); }

ModelConfig read_mistral(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  read_windows(config, true, model);
  return model;
}

ModelConfig read_granite(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  model.attention.scale = static_cast<float>(config.number("attention_multiplier", 1));
  model.embedding_multiplier = static_cast<float>(config.number("embedding_multiplier", 1));
  model.residual_multiplier = static_cast<float>(config.number("residual_multiplier", 1));
  model.logit_multiplier = static_cast<float>(1 / config.number("logits_scaling", 1));
  return model;
}

ModelConfig read_smollm3(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  if (config.flag("use_sliding_window", false)) read_windows(config, false, model);
  const Json* rotated = config.find("no_rope_layers");  // 1: the layer has positions, whatever the name says
  const size_t interval = config.size("no_rope_layer_interval", 4);
  if (rotated != nullptr && (!rotated->is_array() || rotated->size() != model.layers.size())) {
    throw input_error(
        fmt::format("{}: `no_rope_layers` was expected to be a list of {} numbers, one per layer",
                    config.origin(), model.layers.size()));
  }
  for (size_t i = 0; i < model.layers.size(); ++i) {
    const bool has_rope = rotated != nullptr ? (*rotated)[i] != 0 : (i + 1) % interval != 0;
    if (!has_rope) model.layers[i].rope = -1;
  }
  return model;
}

}  // namespace tersor
