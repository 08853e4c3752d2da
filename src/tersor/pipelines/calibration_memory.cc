#include "tersor/pipelines/calibration_memory.h"

#include <algorithm>
#include <map>
#include <string>

#include "tersor/modeling/evaluation_memory.h"
#include "tersor/modeling/layer_linears.h"
#include "tersor/pipelines/solve_module.h"

namespace tersor {
namespace {

// Measured: the program with oneDNN, OpenBLAS and the kernels they generate, their scratch, and the blocks
// that the back end keeps for reuse.
constexpr uint64_t kProgram = 200'000'000;
constexpr uint64_t kFloat = sizeof(float);

// Floats of a token in the widest state between two stages, and while a stage runs.
struct TokenWidths {
  uint64_t state = 0;
  uint64_t running = 0;
};

TokenWidths token_widths(const ModelConfig& model) {
  const AttentionConfig& a = model.attention;
  const uint64_t hidden = model.hidden, heads = a.heads * a.value_dim;
  const uint64_t kv = (a.mla ? a.heads : a.kv_heads) * (a.head_dim + a.value_dim);
  uint64_t inner = 0, routed = 0;
  for (const LayerConfig& layer : model.layers) {
    const uint64_t width =
        layer.moe ? model.moe.route.top_k * model.moe.intermediate + model.moe.shared_intermediate
                  : model.mlp.intermediate;
    inner = std::max(inner, width);
    if (layer.moe) routed = model.moe.route.top_k * hidden;
  }
  TokenWidths widths;
  widths.state = 2 * hidden + std::max({heads, inner, routed});
  widths.running =
      widths.state + std::max(a.heads * a.head_dim + kv + heads, inner + std::max(inner, routed));
  return widths;
}

}  // namespace

CalibrationMemory calibration_memory(const CompressionPlan& plan, const ModelConfig& model,
                                     const CalibrationSizes& sizes) {
  CalibrationMemory memory{.program = kProgram};
  std::map<std::string, size_t> modules;
  for (size_t m = 0; m < plan.inventory.modules.size(); ++m) modules[plan.inventory.modules[m].name.name] = m;
  uint64_t largest_hessian = 0;
  const auto add_linear = [&](const SourceModule& module, const ModuleDecision& decision) {
    const uint64_t out = module.out(), in = module.in(), hessian = decision.gptq ? kFloat * in * in : 0;
    const bool asymmetric = decision.gptq && decision.gptq->asymmetric_calibration;
    const uint64_t gathered = asymmetric ? 2 * hessian : hessian;
    largest_hessian = std::max(largest_hessian, gathered);
    // The weight as it is stored, and what it becomes; in f32: itself, or its error, and it solved; its
    // codes. A strip of it: columns, twice, and their codes, twice. Asymmetric calibration: the shifted
    // weight.
    const uint64_t in_f32 = decision.gptq ? 2 + asymmetric : 1;
    const uint64_t strip = in * std::min<uint64_t>(out, 1024) * (2 * kFloat + 2);
    const uint64_t solve =
        out * in * (dtype_size(module.dtype) + 2 + in_f32 * kFloat + 1) + (hessian > 0 ? strip : 0);
    // The factor, in the place of its Hessian where that is in a file. Asymmetric calibration: the shift
    // while it is put in order.
    const uint64_t factor = (asymmetric ? 4 : 1) * hessian - (sizes.hessians_in_file ? hessian : 0);
    memory.solve = std::max(memory.solve, solve + factor);
    return gathered + statistics_needs(plan.schemes[*decision.scheme], false).activations.bytes();
  };
  for (size_t l = 0; l < plan.calibration->layers; ++l) {
    memory.layer = std::max(memory.layer, layer_weights(model, l) * sizes.bytes_per_weight);
    std::map<std::pair<Stage, int>, uint64_t> inputs;
    for (const LayerLinear& linear : layer_linears(model, l)) {
      const auto found = modules.find(linear.name);
      if (found == modules.end() || !plan.decisions[found->second].calibrated) continue;
      uint64_t& input = inputs[input_of_linear(linear, model.layers[l], sizes.all_experts)];
      input =
          std::max(input, add_linear(plan.inventory.modules[found->second], plan.decisions[found->second]));
    }
    std::map<Stage, uint64_t> stages;
    for (const auto& [input, bytes] : inputs) stages[input.first] += bytes;
    for (const auto& [stage, bytes] : stages) memory.hessians = std::max(memory.hessians, bytes);
  }
  if (plan.calibration->head) {
    const size_t m = modules.at(model.head_name);
    memory.hessians = std::max(memory.hessians, add_linear(plan.inventory.modules[m], plan.decisions[m]));
  }
  memory.hessians = std::min(memory.hessians, std::max(largest_hessian, sizes.hessian_bytes));
  if (sizes.hessians_in_file) memory.hessian_file = largest_hessian;
  const TokenWidths widths = token_widths(model);
  memory.batch = kFloat * std::min(sizes.batch_tokens, sizes.tokens) * widths.running;
  memory.states = sizes.bytes_per_state * sizes.tokens * widths.state;
  if (sizes.source_weights || plan.calibration->source_stream) memory.layer *= 2;
  if (plan.calibration->source_stream) {
    memory.batch *= 2;
    memory.states *= 2;
  }
  return memory;
}

CalibrationMemory fit_to_budget(const CompressionPlan& plan, const ModelConfig& model, uint64_t budget,
                                uint64_t longest, CalibrationSizes& sizes) {
  CalibrationMemory memory = calibration_memory(plan, model, sizes);
  while (budget > 0 && memory.least() > budget) {
    if (memory.batch > memory.solve && sizes.batch_tokens > longest) {
      sizes.batch_tokens = std::max(longest, sizes.batch_tokens / 2);
    } else if (sizes.hessian_bytes > 1) {
      sizes.hessian_bytes /= 2;
    } else if (!sizes.hessians_in_file && memory.solve > memory.batch) {
      sizes.hessians_in_file = true;
    } else {
      break;
    }
    memory = calibration_memory(plan, model, sizes);
  }
  return memory;
}

}  // namespace tersor
