#include "tersor/quantization/module_class.h"

#include <algorithm>
#include <array>

namespace tersor {
namespace {

constexpr std::array<std::string_view, 6> kClassNames = {"Linear", "Embedding", "Norm",
                                                         "Router", "Conv",      "Other"};

// Model types whose attention and MLP are built from GPT-2's Conv1D, a Linear with a transposed weight.
constexpr std::array<std::string_view, 5> kConv1dModels = {"gpt2", "openai-gpt", "imagegpt",
                                                           "decision_transformer", "clvp"};
constexpr std::array<std::string_view, 4> kConv1dNames = {"c_attn", "q_attn", "c_proj", "c_fc"};

// Parts of a dotted name that mark everything below them as a router: `mlp.gate`, `router.layer`, `gate.wg`.
constexpr std::array<std::string_view, 7> kRouterParts = {
    "gate", "router", "moe_gate", "router_gate", "shared_expert_gate", "shared_gate", "modality_router"};

// Embedding tables whose name does not say "embed", and Linears whose name does: GPT-NeoX's output, inputs
// that are projected patches.
constexpr std::array<std::string_view, 5> kEmbeddingNames = {"wte", "wpe", "relative_attention_bias",
                                                             "segment_emb", "shared"};
constexpr std::array<std::string_view, 5> kNotEmbeddingParts = {"embed_out", "proj", "patch", "vision_embed",
                                                                "mapping"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string_view leaf_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

bool is_router(std::string_view name) {
  while (!name.empty()) {
    const size_t dot = name.find('.');
    if (contains(kRouterParts, name.substr(0, dot))) return true;
    if (dot == std::string_view::npos) return false;
    name.remove_prefix(dot + 1);
  }
  return false;
}

bool is_norm(std::string_view leaf) {
  return has(leaf, "norm") || leaf.starts_with("ln_") || leaf.ends_with("_ln") || leaf == "ln";
}

bool is_embedding(std::string_view leaf) {
  if (contains(kEmbeddingNames, leaf)) return true;
  return has(leaf, "embed") && std::none_of(kNotEmbeddingParts.begin(), kNotEmbeddingParts.end(),
                                            [&](std::string_view part) { return has(leaf, part); });
}

}  // namespace

std::string_view to_string(ModuleClass c) { return kClassNames[static_cast<size_t>(c)]; }

ModuleClass classify_module(std::string_view name, const Shape& weight_shape, std::string_view model_type) {
  const std::string_view leaf = leaf_of(name);
  const size_t rank = weight_shape.size();
  if (num_elements(weight_shape).value_or(0) == 0 || rank == 0) return ModuleClass::kOther;
  // Some models norm each attention head apart, with a [heads, head_dim] weight.
  if (rank <= 2 && is_norm(leaf)) return ModuleClass::kNorm;
  if (rank == 1) return ModuleClass::kOther;
  // Stacked experts have three dimensions too.
  if (rank > 2) return has(name, "expert") || has(name, "moe") ? ModuleClass::kOther : ModuleClass::kConv;
  if (is_router(name)) return ModuleClass::kRouter;
  if (is_embedding(leaf)) return ModuleClass::kEmbedding;
  if (contains(kConv1dModels, model_type) && contains(kConv1dNames, leaf)) return ModuleClass::kConv;
  return ModuleClass::kLinear;
}

}  // namespace tersor
