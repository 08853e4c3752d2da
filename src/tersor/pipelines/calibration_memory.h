// What a calibrated run holds in memory, part by part: for predictions, and to keep to a budget.
#pragma once

#include <cstdint>

#include "tersor/modeling/model_config.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {

struct CalibrationMemory {
  uint64_t program = 0;   // with its libraries and their scratch
  uint64_t layer = 0;     // weights of the largest layer as they are multiplied
  uint64_t hessians = 0;  // that are gathered at a time
  uint64_t solve = 0;     // of the largest linear: factor, weights, codes
  uint64_t batch = 0;     // activations of one batch on its way through a stage
  uint64_t states =
      0;  // activations of all batches between two stages; what is beyond a budget lies in a file
  uint64_t hessian_file = 0;  // no memory: what lies in a file instead

  // Without any states in memory.
  uint64_t least() const { return program + layer + hessians + (solve > batch ? solve : batch); }
  uint64_t total() const { return least() + states; }
};

struct CalibrationSizes {
  uint64_t bytes_per_weight = 4;  // of a weight as it is multiplied: 2 in bf16
  uint64_t bytes_per_state = 4;   // of an activation between two stages: 2 in bf16
  uint64_t tokens = 0;
  uint64_t batch_tokens = 0;
  uint64_t hessian_bytes = 0;     // that may be gathered at a time; one Hessian always may
  bool hessians_in_file = false;  // while their factors are in memory
  bool all_experts = false;       // every token passes every expert for its statistics
  bool source_weights = false;    // a layer's are kept beside the solved ones
};

// Smaller batches, down to the `longest` sample, then fewer Hessians at a time, then Hessians in a file while
// their factors are in memory, until what is least needed is within `budget` (0: anything) or nothing is left
// to make smaller. Returns the memory of what `sizes` become.
CalibrationMemory fit_to_budget(const CompressionPlan& plan, const ModelConfig& model, uint64_t budget,
                                uint64_t longest, CalibrationSizes& sizes);

// Upper estimates in bytes.
CalibrationMemory calibration_memory(const CompressionPlan& plan, const ModelConfig& model,
                                     const CalibrationSizes& sizes);

}  // namespace tersor
