// The weights of one decoder layer, on the device.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/modeling/model_config.h"

namespace tersor {

// y = x · Wᵀ + b; `input_quant`: x is quantized first, as the engine that runs the checkpoint does.
struct Linear {
  std::string name;  // "model.layers.0.self_attn.q_proj"; of stacked experts with `.<e>` at the end
  std::shared_ptr<const PackedWeight> weight;  // null: the layer has no such linear
  DeviceTensor bias;
  std::optional<ActivationQuantArgs> input_quant;

  explicit operator bool() const { return weight != nullptr; }
};

struct Norm {
  std::string name;
  DeviceTensor weight;  // f32 [1, width]; empty: there is no such norm
  DeviceTensor bias;

  explicit operator bool() const { return static_cast<bool>(weight); }
};

// A feed-forward network: gate and up (or both in one, or up alone), then down.
struct Mlp {
  Linear gate, up, gate_up, down;

  explicit operator bool() const { return static_cast<bool>(down); }
};

struct Layer {
  size_t index = 0;
  LayerConfig config;

  Norm attention_norm, attention_post_norm, mlp_norm, mlp_post_norm;
  Norm q_norm, k_norm, q_a_norm, kv_a_norm;
  Linear q, k, v, qkv, o;
  Linear q_a, q_b, kv_a, kv_b;  // latent attention

  Mlp mlp;  // of a dense layer
  Linear router;
  DeviceTensor router_bias;
  std::vector<Mlp> experts;
  Mlp shared;
  Linear shared_gate;
};

}  // namespace tersor
