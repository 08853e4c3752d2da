// The solves of all linears that read one input: they share its Hessian and its factors.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tersor/pipelines/solve_module.h"
#include "tersor/pipelines/stage_inputs.h"

namespace tersor {

// Not thread-safe. Refers to its arguments.
class InputSolver {
 public:
  // `least_expert_tokens`: linears of a routed expert that fewer tokens reached are rounded to nearest.
  // `hessian_folder`: where a Hessian lies while its factor is in memory; null: in memory too.
  InputSolver(Backend& backend, const CompressionPlan& plan, const CalibrationItems& items,
              ModuleSolver& solver, uint64_t least_expert_tokens,
              std::optional<std::filesystem::path> hessian_folder)
      : backend_(backend),
        plan_(plan),
        items_(items),
        solver_(solver),
        least_(least_expert_tokens),
        hessian_folder_(std::move(hessian_folder)) {}

  // Solves every linear of `input`, which then has its quantized weight and no statistics any more. Adds to
  // `notes` what the user should know, and to `modules` their errors.
  void solve(StageInput& input, std::vector<PieceStatistics>& modules, std::vector<std::string>& notes);

 private:
  Backend& backend_;
  const CompressionPlan& plan_;
  const CalibrationItems& items_;
  ModuleSolver& solver_;
  const uint64_t least_;
  const std::optional<std::filesystem::path> hessian_folder_;
};

}  // namespace tersor
