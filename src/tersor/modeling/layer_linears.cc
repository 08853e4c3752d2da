#include "tersor/modeling/layer_linears.h"

#include <fmt/format.h>

namespace tersor {

std::vector<LayerLinear> layer_linears(const ModelConfig& model, size_t index) {
  const LayerNames& names = model.names;
  const AttentionConfig& a = model.attention;
  const std::string prefix = fmt::format("{}{}.", model.layer_prefix, index);
  std::vector<LayerLinear> linears;
  const auto add = [&](const std::string& name, Stage stage, int expert = -1) {
    if (!name.empty()) linears.push_back({prefix + name, stage, expert});
  };
  if (a.mla) {
    add(a.mla->q_rank > 0 ? names.q_a : names.q, Stage::kAttentionIn);
    add(names.kv_a, Stage::kAttentionIn);
    if (a.mla->q_rank > 0) add(names.q_b, Stage::kLatentUp);
    add(names.kv_b, Stage::kLatentUp);
  } else if (!names.qkv.empty()) {
    add(names.qkv, Stage::kAttentionIn);
  } else {
    for (const std::string* name : {&names.q, &names.k, &names.v}) add(*name, Stage::kAttentionIn);
  }
  add(names.o, Stage::kAttentionOut);

  if (!model.layers[index].moe) {
    if (!names.gate_up.empty()) {
      add(names.gate_up, Stage::kMlpIn);
    } else {
      if (model.mlp.gated) add(names.gate, Stage::kMlpIn);
      add(names.up, Stage::kMlpIn);
    }
    add(names.down, Stage::kMlpOut);
    return linears;
  }
  const auto add_experts = [&](const std::string& name, const std::string& stacked, Stage stage) {
    for (size_t e = 0; e < model.moe.experts; ++e) {
      add(stacked.empty() ? fmt::format("{}.{}.{}", names.experts, e, name)
                          : fmt::format("{}.{}", stacked, e),
          stage, static_cast<int>(e));
    }
  };
  const bool shared = model.moe.shared_intermediate > 0;
  if (shared) {
    add(names.shared + ".gate_proj", Stage::kMlpIn);
    add(names.shared + ".up_proj", Stage::kMlpIn);
  }
  if (names.stacked_gate_up.empty()) add_experts(names.expert_gate, "", Stage::kMlpIn);
  add_experts(names.expert_up, names.stacked_gate_up, Stage::kMlpIn);
  if (shared) add(names.shared + ".down_proj", Stage::kMlpOut);
  add_experts(names.expert_down, names.stacked_down, Stage::kMlpOut);
  return linears;
}

std::pair<Stage, int> input_of_linear(const LayerLinear& linear, const LayerConfig& layer, bool all_experts) {
  const bool one = all_experts && layer.moe && linear.stage == Stage::kMlpIn;
  return {linear.stage, one ? -1 : linear.expert};
}

std::string key_projection(const ModelConfig& model, size_t index) {
  const LayerNames& names = model.names;
  return fmt::format("{}{}.{}", model.layer_prefix, index,
                     model.attention.mla ? names.kv_b
                     : names.qkv.empty() ? names.k
                                         : names.qkv);
}

std::string attention_module(const ModelConfig& model, size_t index) {
  const std::string keys = key_projection(model, index);
  return keys.substr(0, keys.rfind('.'));
}

}  // namespace tersor
