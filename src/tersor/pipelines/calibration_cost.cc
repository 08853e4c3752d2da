#include "tersor/pipelines/calibration_cost.h"

#include <map>
#include <string>

#include "tersor/modeling/layer_linears.h"

namespace tersor {
namespace {

// Errors of the weight, of its rounding and of the result: three products with H, and the solve's own
// triangle.
constexpr double kSolveProducts = 3 * 2 + 1;

void add_linear(const SourceModule& module, const ModuleDecision& decision, double tokens,
                bool first_of_input, LayerCost& cost) {
  const auto out = static_cast<double>(module.out()), in = static_cast<double>(module.in());
  cost.forward += 2 * tokens * out * in;
  if (!decision.gptq) return;
  cost.solve += kSolveProducts * out * in * in;
  if (first_of_input) {
    cost.statistics += tokens * in * in;
    cost.solve += in * in * in * 2 / 3;
  }
}

}  // namespace

std::vector<LayerCost> calibration_cost(const CompressionPlan& plan, const ModelConfig& model, double tokens,
                                        double sample_tokens) {
  std::vector<LayerCost> costs(plan.calibration->layers + 1);
  std::map<std::string, size_t> modules;
  for (size_t m = 0; m < plan.inventory.modules.size(); ++m) modules[plan.inventory.modules[m].name.name] = m;
  const AttentionConfig& a = model.attention;
  const double share = model.moe.experts == 0 ? 1
                                              : static_cast<double>(model.moe.route.top_k) /
                                                    static_cast<double>(model.moe.experts);
  for (size_t l = 0; l < plan.calibration->layers; ++l) {
    // Every second key on average, for scores and for values.
    costs[l].forward = tokens * sample_tokens * static_cast<double>(a.heads * (a.head_dim + a.value_dim));
    std::pair<Stage, int> input{};
    bool seen = false;
    for (const LayerLinear& linear : layer_linears(model, l)) {
      const auto found = modules.find(linear.name);
      if (found == modules.end() || !plan.inventory.modules[found->second].is_matrix()) continue;
      const std::pair<Stage, int> now{linear.stage, linear.expert};
      const ModuleDecision& decision = plan.decisions[found->second];
      const bool first = decision.gptq && (!seen || now != input);
      if (first) {
        input = now;
        seen = true;
      }
      add_linear(plan.inventory.modules[found->second], decision, linear.expert < 0 ? tokens : tokens * share,
                 first, costs[l]);
    }
  }
  if (plan.calibration->head) {
    if (const auto head = modules.find(model.head_name); head != modules.end()) {
      add_linear(plan.inventory.modules[head->second], plan.decisions[head->second], tokens, true,
                 costs.back());
      costs.back().forward = 0;  // nothing reads the logits
    }
  }
  return costs;
}

}  // namespace tersor
