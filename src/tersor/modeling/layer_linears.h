// The linears of a layer by name, without their weights: what a plan can say of calibration from config.json
// alone.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tersor/modeling/layer_forward.h"

namespace tersor {

struct LayerLinear {
  std::string name;  // as Linear::name
  Stage stage = Stage::kAttentionIn;
  int expert = -1;  // of a routed expert: its index
};

// In order of stages; the same linears that stage_groups() lists, and in MoE layers every expert's. Routers
// and the gates of shared experts are not among them: they are no part of a stage, and never quantized.
std::vector<LayerLinear> layer_linears(const ModelConfig& model, size_t index);

// Which input of its layer a linear reads, as what stands for it: linears with equal ones share statistics.
// `all_experts`: every token passes every expert, so that all that reads the MLP's input reads the same rows.
std::pair<Stage, int> input_of_linear(const LayerLinear& linear, const LayerConfig& layer, bool all_experts);

// The linear that makes the keys of layer `index`: "model.layers.3.self_attn.k_proj".
std::string key_projection(const ModelConfig& model, size_t index);

// The module whose keys and values layer `index` caches: "model.layers.3.self_attn".
std::string attention_module(const ModelConfig& model, size_t index);

}  // namespace tersor
