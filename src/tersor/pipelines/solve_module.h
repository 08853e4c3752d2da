// One linear of a calibrated layer, from its weight in the source to its tensors in the output.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>

#include "tersor/compressors/compressor.h"
#include "tersor/modifiers/gptq/gptq_quantize.h"
#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/input_statistics.h"
#include "tersor/pipelines/run_output.h"

namespace tersor {

struct SolvedModule {
  PieceStatistics statistics;
  DeviceTensor weight;     // Ŵ [out, in] f32
  bool fell_back = false;  // GPTQ was asked for, and the Hessian had no factor: rounded to nearest
};

// What calibration has found for the weights of an input.
struct SolveGuide {
  const StoredHessian& hessian;            // of the input; of size 0 where it was not asked for
  std::span<const float> importance = {};  // of columns, for imatrix_mse; empty: all alike
  const HessianFactor* factor = nullptr;   // null: round to nearest
  DeviceTensor shift = {};                 // of asymmetric_shift(), or empty
};

// Not thread-safe. Refers to its arguments.
class ModuleSolver {
 public:
  ModuleSolver(const Checkpoint& checkpoint, const CompressionPlan& plan, Backend& backend, ThreadPool& pool,
               RunOutput& output)
      : checkpoint_(checkpoint), plan_(plan), backend_(backend), pool_(pool), output_(output) {}

  // Rounds module `m` under its scheme, by GPTQ where the plan says so and `guide` has a factor, writes its
  // tensors and journals them as item `item`. `input`: of what it reads. Throws Error(kInput) for a weight
  // that is not finite.
  SolvedModule solve(size_t m, uint32_t item, const InputStatistics& input, const SolveGuide& guide);

 private:
  std::vector<std::byte> read_weight(size_t m) const;
  const Observation& observe_set(size_t m);
  std::vector<Extent> write_activations(size_t m, const InputStatistics& input);

  const Checkpoint& checkpoint_;
  const CompressionPlan& plan_;
  Backend& backend_;
  ThreadPool& pool_;
  RunOutput& output_;
  std::string set_;  // the one that observation_ is of
  Observation observation_;
};

// What a module under `scheme` needs to know of its input.
StatisticsNeeds statistics_needs(const QuantizationScheme& scheme, bool gptq);

}  // namespace tersor
