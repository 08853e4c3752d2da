// Which linears an inference engine merges into one: q/k/v, gate/up, and their like. Merged ones must agree
// in scheme, and NVFP4 gives them one global scale.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor {

// A set of sibling names, in the order the engine stacks them: {"q_proj", "k_proj", "v_proj"} → "qkv_proj".
struct FusedSet {
  std::string_view fused_name;
  std::vector<std::string_view> members;
};
std::span<const FusedSet> fused_sets();

// The key shared by the members of one set: "model.layers.0.self_attn.qkv_proj" for each of its q, k, v;
// nullopt for a module in no set. Experts: `…experts.<i>.gate_proj` and `up_proj` (w1 and w3) of one expert
// share a key.
std::optional<std::string> fused_key(std::string_view module_name);

}  // namespace tersor
