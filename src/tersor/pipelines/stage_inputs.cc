#include "tersor/pipelines/stage_inputs.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/pipelines/calibration_batches.h"
#include "tersor/pipelines/solve_module.h"

namespace tersor {

StatisticsNeeds needs_of(const CompressionPlan& plan, size_t m) {
  const ModuleDecision& decision = plan.decisions[m];
  StatisticsNeeds needs = statistics_needs(plan.schemes[*decision.scheme], decision.gptq.has_value());
  needs.cross = decision.gptq && decision.gptq->asymmetric_calibration;
  return needs;
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
      input.needs.add(needs_of(plan, m->second));
    }
    if (!joins && !input.linears.empty()) inputs.push_back(std::move(fresh));
  }
  return inputs;
}

void begin_statistics(Backend& backend, std::span<StageInput> inputs) {
  for (StageInput& input : inputs) input.statistics.emplace(backend, input.width(), input.needs);
}

namespace {

// What reads a group's input is told by its first calibrated linear.
using InputsByLinear = std::map<std::string, StageInput*>;

StageInput* input_of(const LinearGroup& group, const InputsByLinear& inputs) {
  for (const Linear* linear : group.linears) {
    if (const auto found = inputs.find(linear->name); found != inputs.end()) return found->second;
  }
  return nullptr;
}

// What linears of an expert, or all that reads the MLP's input (-1), read of these rows of it.
DeviceTensor inner_rows(Backend& backend, const ModelConfig& model, Stage stage, const Layer& layer,
                        int expert, const DeviceTensor& rows) {
  return expert < 0 ? rows : expert_input(backend, model, layer, stage, static_cast<size_t>(expert), rows);
}

// Rows of the source's MLP input that the router of `state` sends to an expert.
DeviceTensor routed_rows(Backend& backend, const LayerState& state, int expert, const LayerState& source) {
  for (const LayerState::ExpertRows& routed : state.routed) {
    if (routed.expert != static_cast<size_t>(expert)) continue;
    const DeviceTensor rows = backend.allocate(DType::kF32, routed.row_ids.cols, source.mlp_input.cols);
    backend.gather_rows(source.mlp_input, routed.row_ids, rows);
    return rows;
  }
  return {};
}

}  // namespace

void add_statistics(Backend& backend, const ModelConfig& model, Stage stage, const LayerAndState& now,
                    const LayerAndState* source, std::span<StageInput> inputs) {
  InputsByLinear by_linear;
  for (StageInput& input : inputs) {
    if (!input.every_token) {
      by_linear[input.name()] = &input;
      continue;
    }
    const auto rows = [&](const LayerAndState& from) {
      return inner_rows(backend, model, stage, from.layer, input.expert, from.state.mlp_input);
    };
    input.statistics->add(rows(now), sequence_rows(now.state, -1),
                          input.needs.cross ? rows(*source) : DeviceTensor{});
  }
  std::map<const StageInput*, DeviceTensor> of_source;
  if (source != nullptr) {
    for (const LinearGroup& group : stage_groups(source->layer, stage, source->state)) {
      if (group.expert >= 0) continue;
      if (const StageInput* input = input_of(group, by_linear)) of_source[input] = group.input;
    }
  }
  for (const LinearGroup& group : stage_groups(now.layer, stage, now.state)) {
    StageInput* input = input_of(group, by_linear);
    if (input == nullptr) continue;
    DeviceTensor twin;
    if (input->needs.cross) {
      twin = group.expert < 0 ? of_source.at(input)
                              : inner_rows(backend, model, stage, source->layer, group.expert,
                                           routed_rows(backend, now.state, group.expert, source->state));
    }
    input->statistics->add(group.input, sequence_rows(now.state, group.expert), twin);
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
