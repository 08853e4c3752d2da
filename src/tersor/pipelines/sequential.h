// The sequential pipeline: one pass of the calibration tokens through the model, one layer in memory.
//
// For each layer, and for each of its stages (linears that read the same input): gather the statistics of the
// input, solve the stage's linears, go on with the quantized weights. So every linear is calibrated on inputs
// that carry the errors made before it, and the model runs forward once. Modules that wait for no statistics
// are rounded first, as in a data-free run; all outputs go to their planned places.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tersor/modeling/model.h"
#include "tersor/pipelines/data_free.h"

namespace tersor {

// What a calibrated run tells beside RunSummary.
struct CalibrationSummary {
  RunSummary run;
  uint64_t tokens = 0;
  std::vector<std::string> notes;  // damping that was raised, experts with too few tokens, …
  std::vector<std::pair<std::string, double>> seconds;  // by phase of this run, in their order
  size_t resumed_layers = 0;
};

struct CalibrationOptions {
  std::vector<std::vector<int32_t>> samples = {};  // token ids, each of its own length; no padding
  // Of a plan with a source_stream: kStage and propagate_error alone.
  // `stage`: as above. `layer`: all statistics of a layer are taken with its source weights, and the layer
  // runs again, from what came into it, with the quantized ones, as the reference does.
  enum class Scope { kStage, kLayer };
  Scope scope = Scope::kStage;
  bool propagate_error = true;  // false: every layer's input is what the source model makes
  // Whether a layer's statistics are all taken with its source weights.
  bool takes_source_weights() const { return scope == Scope::kLayer || !propagate_error; }
  // Of a layer: it runs a second time where errors go on that its statistics do not know.
  double forward_passes() const { return takes_source_weights() && propagate_error ? 2 : 1; }
  // A routed expert that fewer tokens reach is rounded to nearest.
  uint64_t least_expert_tokens = 32;
  // Every expert's statistics are those of all tokens; what the layer hands on is the routed sum all the
  // same.
  bool all_experts = false;
  size_t batch_tokens = 4096;                  // that run together
  uint64_t hessian_bytes = uint64_t{2} << 30;  // that are gathered at a time; one always is
  bool hessians_in_file = false;               // while a factor is in memory
  // Of activations between two stages, wherever they are kept: F32 or BF16. They are computed in f32.
  DType state_dtype = DType::kBF16;
  uint64_t state_budget = UINT64_MAX;  // bytes of activations in memory; the rest goes to a temporary file
  // Called after each layer, with what is known so far; may be empty.
  std::function<void(const CalibrationSummary& so_far, size_t layers_done)> layer_done = {};
};

// Carries out a plan that has a CalibrationPlan. As run_data_free(), and: goes on after the last finished
// layer of an earlier run; throws Error(kInput) for activations that are not finite, naming layer and module,
// with what is finished journalled. `model` reads the same checkpoint as the plan.
CalibrationSummary run_sequential(const Model& model, const CompressionPlan& plan, OutputFolder& output,
                                  const RunOptions& options, const CalibrationOptions& calibration);

}  // namespace tersor
