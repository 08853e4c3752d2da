#include "tersor/quantization/fused_modules.h"

#include <algorithm>

namespace tersor {

std::span<const FusedSet> fused_sets() {
  // vLLM's packed_modules_mapping, as far as checkpoints store the members apart: attention, MLP (also of one
  // expert, also by Mixtral's names), DeepSeek's latent attention, Qwen3.5's linear attention.
  static const FusedSet kSets[] = {
      {"qkv_proj", {"q_proj", "k_proj", "v_proj"}},
      {"gate_up_proj", {"gate_proj", "up_proj"}},
      {"w13", {"w1", "w3"}},
      {"fused_qkv_a_proj", {"q_a_proj", "kv_a_proj_with_mqa"}},
      {"in_proj_qkvz", {"in_proj_qkv", "in_proj_z"}},
      {"in_proj_ba", {"in_proj_b", "in_proj_a"}},
  };
  return kSets;
}

std::optional<std::string> fused_key(std::string_view module_name) {
  const size_t dot = module_name.rfind('.');
  const size_t begin = dot == std::string_view::npos ? 0 : dot + 1;
  const std::string_view leaf = module_name.substr(begin);
  for (const FusedSet& set : fused_sets()) {
    if (std::find(set.members.begin(), set.members.end(), leaf) == set.members.end()) continue;
    return std::string(module_name.substr(0, begin)).append(set.fused_name);
  }
  return std::nullopt;
}

}  // namespace tersor
