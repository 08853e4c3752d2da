#include "tersor/pipelines/stage_inputs.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/pipelines/calibration_batches.h"
#include "tersor/pipelines/solve_module.h"

namespace tersor {

StatisticsNeeds needs_of(const CompressionPlan& plan, size_t m) {
  const ModuleDecision& decision = plan.decisions[m];
  return statistics_needs(plan.schemes[*decision.scheme], decision.gptq.has_value());
}

std::vector<StageInput> stage_inputs(const CompressionPlan& plan, const CalibratedModules& modules,
                                     Layer& layer, Stage stage, bool all_experts) {
  const bool every_token = all_experts && !layer.experts.empty();
  LayerState all;
  for (size_t e = 0; e < layer.experts.size(); ++e) {
    all.routed.emplace_back();
    all.routed.back().expert = e;
  }
  std::vector<StageInput> inputs;
  for (const LinearGroup& group : stage_groups(layer, stage, all)) {
    const bool shared = every_token && stage == Stage::kMlpIn;
    StageInput fresh{.linears = {},
                     .expert = shared ? -1 : group.expert,
                     .every_token = shared || (every_token && group.expert >= 0),
                     .needs = {},
                     .statistics = {}};
    const bool joins = shared && !inputs.empty();
    StageInput& input = joins ? inputs[0] : fresh;
    for (Linear* linear : group.linears) {
      const auto m = modules.find(linear->name);
      if (m == modules.end()) continue;
      input.linears.emplace_back(linear, m->second);
      const StatisticsNeeds needs = needs_of(plan, m->second);
      input.needs.hessian |= needs.hessian;
      input.needs.squares |= needs.squares;
      input.needs.activations.add(needs.activations);
    }
    if (!joins && !input.linears.empty()) inputs.push_back(std::move(fresh));
  }
  return inputs;
}

void begin_statistics(Backend& backend, std::span<StageInput> inputs) {
  for (StageInput& input : inputs) input.statistics.emplace(backend, input.width(), input.needs);
}

void add_statistics(Backend& backend, const ModelConfig& model, Layer& layer, Stage stage,
                    const LayerState& state, std::span<StageInput> inputs) {
  std::map<const Linear*, StageInput*> by_linear;
  for (StageInput& input : inputs) {
    if (!input.every_token) {
      by_linear[input.linears[0].first] = &input;
      continue;
    }
    const DeviceTensor x =
        input.expert < 0
            ? state.mlp_input
            : expert_input(backend, model, layer, stage, static_cast<size_t>(input.expert), state.mlp_input);
    input.statistics->add(x, sequence_rows(state, -1));
  }
  for (const LinearGroup& group : stage_groups(layer, stage, state)) {
    const auto first =
        std::ranges::find_if(group.linears, [&](const Linear* linear) { return by_linear.contains(linear); });
    if (first == group.linears.end()) continue;
    by_linear[*first]->statistics->add(group.input, sequence_rows(state, group.expert));
  }
}

void finish_statistics(size_t l, std::span<StageInput> inputs) {
  for (StageInput& input : inputs) {
    input.statistics->finish();
    if (input.statistics->finite()) continue;
    throw input_error(
        fmt::format("the input of `{}` (layer {}) holds a NaN or an infinity on the calibration data",
                    input.name(), l),
        "the checkpoint's weights are damaged, or its activations overflow; what is finished is kept, and "
        "`--overwrite` starts afresh");
  }
}

void lend_activations(const ActivationStatistics& of_experts, std::span<StageInput> inputs) {
  for (StageInput& input : inputs) {
    if (input.needs.activations.ranges && input.statistics->activations().empty())
      input.statistics->lend(of_experts);
  }
}

}  // namespace tersor
