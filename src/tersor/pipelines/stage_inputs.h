// The inputs of a layer's stage: which calibrated linears read each, and what is learnt of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tersor/modeling/layer_forward.h"
#include "tersor/pipelines/calibration_items.h"
#include "tersor/pipelines/input_statistics.h"

namespace tersor {

// Linears that read one input, and what is learnt of it.
struct StageInput {
  std::vector<std::pair<Linear*, size_t>> linears;  // those that are calibrated, with their modules
  int expert = -1;                                  // of a routed expert alone: its index
  bool every_token = false;                         // of an expert: all tokens pass it for its statistics
  StatisticsNeeds needs;
  std::optional<InputStatistics> statistics;

  const std::string& name() const { return linears[0].first->name; }
  size_t width() const { return linears[0].first->weight->in; }
  uint64_t bytes() const { return InputStatistics::bytes(width(), needs); }
};

// What module `m` needs to know of its input.
StatisticsNeeds needs_of(const CompressionPlan& plan, size_t m);

// The inputs of a stage that something calibrated reads, without statistics. Of a mixture, all experts': one
// that no batch reaches is rounded all the same. `all_experts`: every token passes every expert, so that what
// reads the MLP's input is one input. Refers to `layer`.
std::vector<StageInput> stage_inputs(const CompressionPlan& plan, const CalibratedModules& modules,
                                     Layer& layer, Stage stage, bool all_experts);

// Statistics of several inputs of a stage over all batches: begin, add each batch, finish.
void begin_statistics(Backend& backend, std::span<StageInput> inputs);
struct LayerAndState {
  Layer& layer;
  const LayerState& state;
};
// `source`: the source model's layer and the same batch in it, where an input needs the cross product; else
// null. What a routed expert's linear is compared with is what the source's expert makes of the same tokens,
// wherever the source's router sends them.
void add_statistics(Backend& backend, const ModelConfig& model, Stage stage, const LayerAndState& now,
                    const LayerAndState* source, std::span<StageInput> inputs);
// Throws Error(kInput) for an input that is not finite, naming it and layer `l`.
void finish_statistics(size_t l, std::span<StageInput> inputs);

// Experts that no token reached take the range of all the others: their scales must be finite all the same.
void lend_activations(const ActivationStatistics& of_experts, std::span<StageInput> inputs);

}  // namespace tersor
