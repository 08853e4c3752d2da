#include "tersor/modeling/evaluation_memory.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace tersor {
namespace {

// The program with oneDNN, OpenBLAS and the kernels they generate, their scratch, the blocks that the back
// end keeps for reuse, and what is read at a time (measured).
constexpr uint64_t kProgram = 160'000'000;

// Bytes of a weight as the back end multiplies it: it may keep bf16 as it is, and unpack all else.
struct WeightBytes {
  uint64_t from_bf16 = 0;
  uint64_t from_others = 0;  // f16 and f32 tensors, and what is dequantized
};

// Weights under `prefix` that are stored in f16 or f32.
uint64_t stored_in_others(const Checkpoint& checkpoint, const std::string& prefix) {
  uint64_t weights = 0;
  for (auto it = checkpoint.tensors.lower_bound(prefix);
       it != checkpoint.tensors.end() && it->first.starts_with(prefix); ++it) {
    const TensorInfo& info = checkpoint.info(it->second);
    if (info.shape.size() >= 2 && is_weight_dtype(info.dtype) && info.dtype != DType::kBF16)
      weights += info.bytes() / dtype_size(info.dtype);
  }
  return weights;
}

}  // namespace

uint64_t layer_weights(const ModelConfig& config, size_t index) {
  const AttentionConfig& a = config.attention;
  const uint64_t hidden = config.hidden, heads = a.heads;
  uint64_t weights = 0;
  if (a.mla) {
    const MlaConfig& m = *a.mla;
    weights += m.q_rank > 0 ? m.q_rank * (hidden + heads * a.head_dim) : hidden * heads * a.head_dim;
    weights += (m.kv_rank + m.rope_dim) * hidden + heads * (m.nope_dim + a.value_dim) * m.kv_rank;
  } else {
    weights += hidden * (heads * a.head_dim + a.kv_heads * (a.head_dim + a.value_dim));
  }
  weights += hidden * heads * a.value_dim;
  if (config.layers[index].moe) {
    const MoeConfig& moe = config.moe;
    return weights + hidden * (moe.experts + 3 * (moe.experts * moe.intermediate + moe.shared_intermediate));
  }
  return weights + (config.mlp.gated ? 3 : 2) * hidden * config.mlp.intermediate;
}

uint64_t evaluation_memory(const Model& model, size_t window) {
  const ModelConfig& config = model.config();
  const AttentionConfig& a = config.attention;
  const WeightBytes packed = {packed_bytes_per_weight(model.backend(), DType::kBF16),
                              packed_bytes_per_weight(model.backend(), DType::kF32)};
  const bool compressed = model.checkpoint().config.contains("quantization_config");
  const auto others_under = [&](const std::string& prefix, uint64_t all) {
    return compressed ? all : std::min(all, stored_in_others(model.checkpoint(), prefix));
  };
  const uint64_t hidden = config.hidden;
  uint64_t layer = 0, bytes = packed.from_bf16, widest = 0, inner = 0;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const uint64_t weights = layer_weights(config, i);
    const uint64_t others = others_under(fmt::format("{}{}.", config.layer_prefix, i), weights);
    layer = std::max(layer, (weights - others) * packed.from_bf16 + others * packed.from_others);
    if (others > 0) bytes = std::max(bytes, packed.from_others);
    const bool moe = config.layers[i].moe;
    const uint64_t width = moe ? config.moe.intermediate : config.mlp.intermediate;
    widest = std::max(widest, width);
    inner = std::max(inner, moe ? config.moe.route.top_k * width + config.moe.shared_intermediate : width);
  }
  // While it is loaded, a weight is there once more as it is stored, or twice in f32.
  const uint64_t loading =
      2 * bytes * hidden * std::max({widest, a.heads * a.head_dim, a.heads * a.value_dim});
  // Of a window: its hidden state with the norm of it, then queries, keys, values (these two in bf16 besides)
  // and the result of attention, or what the MLP makes, and half of the wider one in bf16.
  const uint64_t kv = a.mla ? a.heads : a.kv_heads;
  const uint64_t kv_width = kv * (a.head_dim + a.value_dim);
  const uint64_t attention = a.heads * (a.head_dim + a.value_dim) + kv_width + kv_width / 2;
  const uint64_t activations = 4 * window * (2 * hidden + std::max(attention, inner + inner / 2) + hidden);
  const uint64_t chunk = 4 * 2 * std::min<uint64_t>(window, kMlpRows) * widest;
  const uint64_t in_layer = layer + std::max(loading, activations + chunk);
  const uint64_t slice = std::min<uint64_t>(kHeadSlice, config.vocabulary);
  const bool head_in_others =
      others_under(config.head_name + ".weight", 1) + others_under(config.embedding_name + ".weight", 1) > 0;
  const uint64_t head_bytes = head_in_others ? packed.from_others : packed.from_bf16;
  const uint64_t in_head =
      slice * hidden * (head_bytes + 4) + 2 * 4 * kHeadTokens * slice + 8 * window * hidden;
  return kProgram + std::max(in_layer, in_head);
}

}  // namespace tersor
