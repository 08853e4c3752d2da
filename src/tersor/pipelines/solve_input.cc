#include "tersor/pipelines/solve_input.h"

#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "tersor/modifiers/gptq/asymmetric_shift.h"

namespace tersor {
namespace {

// A factor, and what GPTAQ adds to the weights solved with it: made when it is first asked for.
struct SolveFactor {
  std::optional<HessianFactor> factor;
  DeviceTensor shift;
};

// What a factor depends on beside its Hessian: the order, dampening_frac, shrinkage.
using FactorKey = std::tuple<ColumnOrder, double, double>;

// The factors of one Hessian, each made when it is first asked for.
class Factors {
 public:
  Factors(Backend& backend, const StageInput& input, const StoredHessian& hessian,
          std::vector<std::string>& notes)
      : backend_(backend), input_(input), hessian_(hessian), notes_(notes) {}

  // Null where the Hessian has none.
  const HessianFactor* get(const FactorKey& key) {
    const std::optional<HessianFactor>& factor = made(key).factor;
    return factor ? &*factor : nullptr;
  }

  // Empty where there is no factor.
  DeviceTensor shift(const FactorKey& key) {
    SolveFactor& solve = made(key);
    if (solve.factor && !solve.shift)
      solve.shift = asymmetric_shift(backend_, *solve.factor, input_.statistics->cross());
    return solve.shift;
  }

 private:
  SolveFactor& made(const FactorKey& key) {
    const auto& [order, dampening_frac, shrinkage] = key;
    auto found = factors_.find(key);
    if (found == factors_.end()) {
      std::optional<HessianFactor> factor =
          factor_hessian(backend_, hessian_, order, dampening_frac, shrinkage);
      if (factor && factor->dampening_frac != dampening_frac) {
        notes_.push_back(fmt::format("the Hessian of `{}` had no factor at dampening_frac {}: {} was used",
                                     input_.name(), dampening_frac, factor->dampening_frac));
      }
      found = factors_.emplace(key, SolveFactor{std::move(factor), {}}).first;
    }
    return found->second;
  }

  Backend& backend_;
  const StageInput& input_;
  const StoredHessian& hessian_;
  std::vector<std::string>& notes_;
  std::map<FactorKey, SolveFactor> factors_;
};

}  // namespace

void InputSolver::solve(StageInput& input, std::vector<PieceStatistics>& modules,
                        std::vector<std::string>& notes) {
  const InputStatistics& statistics = *input.statistics;
  const bool starved = input.expert >= 0 && !input.every_token && statistics.tokens() < least_;
  if (starved && (input.needs.hessian || input.needs.squares)) {
    notes.push_back(
        fmt::format("`{}` and its siblings of expert {} were rounded to nearest, all columns weighed alike: "
                    "{} calibration "
                    "tokens reached it",
                    input.name(), input.expert, statistics.tokens()));
  }
  StoredHessian hessian(input.statistics->take_hessian());
  if (hessian_folder_ && hessian.size() > 0 && !starved) hessian.spill(backend_, *hessian_folder_);
  Factors factors(backend_, input, hessian, notes);
  for (const auto& [linear, m] : input.linears) {
    const ModuleDecision& decision = plan_.decisions[m];
    SolveGuide guide{.hessian = hessian};
    if (!starved) guide.importance = statistics.mean_squares();
    if (decision.gptq && !starved) {
      const auto order = plan_.schemes[*decision.scheme].weights->actorder ? ColumnOrder::kDescending
                                                                           : ColumnOrder::kNatural;
      const FactorKey key(order, decision.gptq->dampening_frac, decision.gptq->shrinkage);
      guide.factor = factors.get(key);
      if (decision.gptq->asymmetric_calibration) guide.shift = factors.shift(key);
    }
    const SolvedModule solved = solver_.solve(m, items_.module(m), statistics, guide);
    if (solved.fell_back && !starved) {
      notes.push_back(
          fmt::format("`{}` was rounded to nearest: its Hessian has no factor even at 1000 times its damping",
                      linear->name));
    }
    modules[m] = solved.statistics;
    linear->weight = backend_.pack(solved.weight);
  }
  input.statistics.reset();
}

}  // namespace tersor
