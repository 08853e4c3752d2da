// Which tensors a layer has, and the shapes that the configuration implies for them.
#include <fmt/format.h>

#include "tersor/modeling/weight_loader.h"

namespace tersor {
namespace {

struct LayerLoader {
  const WeightLoader& loader;
  const ModelConfig& model;
  std::string prefix;

  Norm norm(const std::string& name, size_t width) const {
    return name.empty() ? Norm{} : loader.load_norm(prefix + name, width);
  }
  Linear linear(const std::string& name, size_t out, size_t in) const {
    return loader.load_linear(prefix + name, out, in);
  }

  void attention(Layer& layer) const {
    const AttentionConfig& a = model.attention;
    const LayerNames& names = model.names;
    const size_t hidden = model.hidden, q_width = a.heads * a.head_dim, kv_width = a.kv_heads * a.head_dim;
    if (a.mla) {
      if (a.mla->q_rank > 0) {
        layer.q_a = linear(names.q_a, a.mla->q_rank, hidden);
        layer.q_a_norm = norm(names.q_a_norm, a.mla->q_rank);
        layer.q_b = linear(names.q_b, q_width, a.mla->q_rank);
      } else {
        layer.q = linear(names.q, q_width, hidden);
      }
      layer.kv_a = linear(names.kv_a, a.mla->kv_rank + a.mla->rope_dim, hidden);
      layer.kv_a_norm = norm(names.kv_a_norm, a.mla->kv_rank);
      layer.kv_b = linear(names.kv_b, a.heads * (a.mla->nope_dim + a.value_dim), a.mla->kv_rank);
    } else if (!names.qkv.empty()) {
      layer.qkv = linear(names.qkv, q_width + 2 * kv_width, hidden);
    } else {
      layer.q = linear(names.q, q_width, hidden);
      layer.k = linear(names.k, kv_width, hidden);
      layer.v = linear(names.v, a.kv_heads * a.value_dim, hidden);
    }
    layer.o = linear(names.o, hidden, a.heads * a.value_dim);
    if (a.qk_norm != QkNorm::kNone) {
      const bool per_head = a.qk_norm == QkNorm::kPerHead;
      layer.q_norm = norm(names.q_norm, per_head ? a.head_dim : q_width);
      layer.k_norm = norm(names.k_norm, per_head ? a.head_dim : kv_width);
    }
  }

  void dense_mlp(Layer& layer) const {
    const LayerNames& names = model.names;
    const size_t hidden = model.hidden, inner = model.mlp.intermediate;
    if (!names.gate_up.empty()) {
      layer.mlp.gate_up = linear(names.gate_up, 2 * inner, hidden);
    } else {
      if (model.mlp.gated) layer.mlp.gate = linear(names.gate, inner, hidden);
      layer.mlp.up = linear(names.up, inner, hidden);
    }
    layer.mlp.down = linear(names.down, hidden, inner);
  }

  void experts(Layer& layer) const {
    const LayerNames& names = model.names;
    const MoeConfig& moe = model.moe;
    const size_t hidden = model.hidden, inner = moe.intermediate;
    layer.router = linear(names.router, moe.experts, hidden);
    if (!names.router_bias.empty())
      layer.router_bias = loader.load_vector(prefix + names.router_bias, moe.experts);
    layer.experts.resize(moe.experts);
    if (!names.stacked_gate_up.empty()) {
      std::vector<Linear> gate_up =
          loader.load_stacked(prefix + names.stacked_gate_up, moe.experts, 2 * inner, hidden);
      std::vector<Linear> down = loader.load_stacked(prefix + names.stacked_down, moe.experts, hidden, inner);
      for (size_t e = 0; e < moe.experts; ++e) {
        layer.experts[e].gate_up = std::move(gate_up[e]);
        layer.experts[e].down = std::move(down[e]);
      }
    } else {
      for (size_t e = 0; e < moe.experts; ++e) {
        const std::string expert = fmt::format("{}.{}.", names.experts, e);
        layer.experts[e].gate = linear(expert + names.expert_gate, inner, hidden);
        layer.experts[e].up = linear(expert + names.expert_up, inner, hidden);
        layer.experts[e].down = linear(expert + names.expert_down, hidden, inner);
      }
    }
    if (moe.shared_intermediate == 0) return;
    const size_t shared = moe.shared_intermediate;
    layer.shared.gate = linear(names.shared + ".gate_proj", shared, hidden);
    layer.shared.up = linear(names.shared + ".up_proj", shared, hidden);
    layer.shared.down = linear(names.shared + ".down_proj", hidden, shared);
    if (!names.shared_gate.empty()) layer.shared_gate = linear(names.shared_gate, 1, hidden);
  }
};

}  // namespace

Layer load_layer(const WeightLoader& loader, const ModelConfig& model, size_t index) {
  Layer layer;
  layer.index = index;
  layer.config = model.layers[index];
  const LayerLoader from{loader, model, fmt::format("{}{}.", model.layer_prefix, index)};
  const LayerNames& names = model.names;
  layer.attention_norm = from.norm(names.attention_norm, model.hidden);
  layer.attention_post_norm = from.norm(names.attention_post_norm, model.hidden);
  layer.mlp_norm = from.norm(names.mlp_norm, model.hidden);
  layer.mlp_post_norm = from.norm(names.mlp_post_norm, model.hidden);
  from.attention(layer);
  if (layer.config.moe) {
    from.experts(layer);
  } else {
    from.dense_mlp(layer);
  }
  return layer;
}

}  // namespace tersor
