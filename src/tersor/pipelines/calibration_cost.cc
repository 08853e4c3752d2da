#include "tersor/pipelines/calibration_cost.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "tersor/modeling/layer_linears.h"
#include "tersor/quantization/observer.h"

namespace tersor {
namespace {

// Errors of the weight, of its rounding and of the result: three products with H, and the solve's own
// triangle.
constexpr double kSolveProducts = 3 * 2 + 1;

// Of each weight, measured on two cores with AVX-512 beside products of f32 at 120 GFLOP/s: reading,
// rounding, writing (7 ns); solving column by column, transposing, errors (25 ns); a step of a search (1.7
// ns).
constexpr double kRounding = 800, kColumns = 3000, kSearchStep = 200;

WorkCost cost_of(const SourceModule& module, const ModuleDecision& decision, const QuantizationScheme& scheme,
                 double tokens, bool first_of_input) {
  const auto out = static_cast<double>(module.out()), in = static_cast<double>(module.in());
  WorkCost cost;
  if (!decision.calibrated) return cost;
  const auto grid = mse_grid(*scheme.weights);
  cost.solve = out * in * (kRounding + kSearchStep * (grid ? grid->num_steps() : 0));
  if (!decision.gptq) return cost;
  cost.solve += out * in * (kColumns + kSolveProducts * in);
  // The shift of asymmetric calibration: of each weight one product, of its input two, and the whole of a
  // second matrix of sums.
  const bool asymmetric = decision.gptq->asymmetric_calibration;
  if (asymmetric) cost.solve += 2 * out * in * in;
  if (first_of_input) {
    cost.statistics = tokens * in * in * (asymmetric ? 3 : 1);
    cost.solve += in * in * in * 2 / 3 + (asymmetric ? 4 * in * in * in : 0);
  }
  return cost;
}

}  // namespace

WorkCost& WorkCost::operator+=(const WorkCost& other) {
  forward += other.forward;
  statistics += other.statistics;
  solve += other.solve;
  return *this;
}

WorkCost LayerCost::sum() const {
  WorkCost sum;
  for (const WorkCost& stage : stages) sum += stage;
  return sum;
}

std::vector<LayerCost> calibration_cost(const CompressionPlan& plan, const ModelConfig& model,
                                        const CalibrationAmount& amount) {
  std::vector<LayerCost> costs(plan.calibration->layers + 1);
  std::map<std::string, size_t> modules;
  for (size_t m = 0; m < plan.inventory.modules.size(); ++m) modules[plan.inventory.modules[m].name.name] = m;
  const auto add = [&](size_t m, double tokens, bool first_of_input, WorkCost& cost) {
    const ModuleDecision& decision = plan.decisions[m];
    if (decision.scheme)
      cost += cost_of(plan.inventory.modules[m], decision, plan.schemes[*decision.scheme], tokens,
                      first_of_input);
  };
  const AttentionConfig& a = model.attention;
  const double share = model.moe.experts == 0 ? 1
                                              : static_cast<double>(model.moe.route.top_k) /
                                                    static_cast<double>(model.moe.experts);
  const double passes = amount.forward_passes * (plan.calibration->source_stream ? 2 : 1);
  for (size_t l = 0; l < plan.calibration->layers; ++l) {
    // Every second key on average, for scores and for values; made with the queries' stage, or the latents'.
    costs[l].at(a.mla ? Stage::kLatentUp : Stage::kAttentionIn).forward =
        passes * amount.tokens * amount.sample_tokens *
        static_cast<double>(a.heads * (a.head_dim + a.value_dim));
    const std::vector<LayerLinear> linears = layer_linears(model, l);
    // Rows that an expert's gate and up take for the statistics of its down alone.
    double inner_rows = 0;
    if (std::ranges::any_of(linears, [&](const LayerLinear& linear) {
          const auto m = modules.find(linear.name);
          return linear.stage == Stage::kMlpOut && linear.expert >= 0 && m != modules.end() &&
                 plan.decisions[m->second].calibrated;
        })) {
      if (amount.all_experts) inner_rows += amount.tokens;
      if (plan.calibration->source_stream) inner_rows += amount.tokens * (amount.all_experts ? 1 : share);
    }
    std::set<std::pair<Stage, int>> inputs;
    for (const LayerLinear& linear : linears) {
      const auto found = modules.find(linear.name);
      if (found == modules.end() || !plan.inventory.modules[found->second].is_matrix()) continue;
      const SourceModule& module = plan.inventory.modules[found->second];
      const double tokens = linear.expert < 0 ? amount.tokens : amount.tokens * share;
      WorkCost& cost = costs[l].at(linear.stage);
      const double product = 2 * static_cast<double>(module.out()) * static_cast<double>(module.in());
      cost.forward += passes * tokens * product;
      const bool first = plan.decisions[found->second].gptq &&
                         inputs.insert(input_of_linear(linear, model.layers[l], amount.all_experts)).second;
      add(found->second, amount.all_experts ? amount.tokens : tokens, first, cost);
      if (linear.expert >= 0 && linear.stage == Stage::kMlpIn)
        costs[l].at(Stage::kMlpOut).statistics += inner_rows * product;
    }
  }
  if (plan.calibration->head) {
    // Nothing reads the logits: no forward.
    if (const auto head = modules.find(model.head_name); head != modules.end())
      add(head->second, amount.tokens, true, costs.back().stages[0]);
  }
  return costs;
}

}  // namespace tersor
