// What a calibrated run costs, from shapes alone: for predictions and for honest remaining times.
//
// Everything is in operations of a matrix product (a multiplication and an addition are two). Work that is
// none (rounding, the search of an observer) counts as the products that a CPU does in its time.
#pragma once

#include <array>
#include <vector>

#include "tersor/modeling/layer_forward.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {

// Kinds of work whose rates differ between machines: each is measured by itself.
enum class WorkKind { kForward, kStatistics, kSolve };
inline constexpr size_t kWorkKinds = 3;

struct WorkCost {
  double forward = 0;
  double statistics = 0;  // of Hessians, the triangle alone; what makes their inputs for all experts
  double solve = 0;       // factor, solve, errors, rounding

  double of(WorkKind kind) const {
    return kind == WorkKind::kForward ? forward : kind == WorkKind::kStatistics ? statistics : solve;
  }
  double total() const { return forward + statistics + solve; }
  WorkCost& operator+=(const WorkCost& other);
};

struct LayerCost {
  std::array<WorkCost, 5> stages{};  // by Stage; the head's is its first

  WorkCost& at(Stage stage) { return stages[static_cast<size_t>(stage)]; }
  const WorkCost& at(Stage stage) const { return stages[static_cast<size_t>(stage)]; }
  WorkCost sum() const;
};

struct CalibrationAmount {
  double tokens = 0;
  double sample_tokens = 0;   // of a sample, on average
  double forward_passes = 1;  // 2: statistics of a whole layer, then the layer again with what they gave
  bool all_experts = false;   // every token passes every expert for its statistics
};

// One per layer that runs, then the head's.
std::vector<LayerCost> calibration_cost(const CompressionPlan& plan, const ModelConfig& model,
                                        const CalibrationAmount& amount);

}  // namespace tersor
