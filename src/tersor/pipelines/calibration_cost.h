// What a calibrated run costs, from shapes alone: for predictions and for honest remaining times.
#pragma once

#include <vector>

#include "tersor/modeling/model_config.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {

struct LayerCost {
  double forward = 0;     // operations (a multiplication and an addition are two)
  double statistics = 0;  // of Hessians, the triangle alone
  double solve = 0;       // factor, solve, errors

  double total() const { return forward + statistics + solve; }
};

// One per layer that runs, then the head's. `tokens` in samples of `sample_tokens` on average.
std::vector<LayerCost> calibration_cost(const CompressionPlan& plan, const ModelConfig& model, double tokens,
                                        double sample_tokens);

}  // namespace tersor
