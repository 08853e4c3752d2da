// The passes before compression, for schemes whose scale covers more rows than a block has.
//
// Observers: minmax and its kin take the range; mse takes, of the ranges p·[min, max], the one with the least
// quantization error (docs/formats.md, "Observers"). With strategy tensor the mse search needs its range
// first and then, in a second pass, the errors of all steps. With tensor_group each group searches for
// itself, with plain f32 scales, and the global scale follows from the ranges that the groups chose; the
// compression searches again, with that global scale and the scales as fp8 holds them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tersor/backend/range_to_scale.h"
#include "tersor/compressors/compressor.h"
#include "tersor/compressors/group_ranges.h"
#include "tersor/quantization/observer.h"

namespace tersor {
namespace {

MinMax united(const MinMax& a, const MinMax& b) { return {std::min(a.min, b.min), std::max(a.max, b.max)}; }

}  // namespace

int observation_passes(const QuantizationScheme& scheme) {
  const QuantizationArgs& args = *scheme.weights;
  if (args.strategy == Strategy::kTensorGroup) return 1;
  if (args.strategy != Strategy::kTensor) return 0;
  return mse_grid(args) ? 2 : 1;
}

bool shares_range_across_fused_set(const QuantizationScheme& scheme) {
  return scheme.weights->strategy == Strategy::kTensorGroup;
}

Observation observe_rows(const QuantizationScheme& scheme, const WeightView& rows, int pass,
                         const Observation& before, const QuantizeKernels& kernels,
                         CompressScratch& scratch) {
  const QuantizationArgs& args = *scheme.weights;
  Observation observation;
  if (pass == 0) {
    observe_groups(args, rows, 0, before.importance.empty() ? nullptr : before.importance.data(), kernels,
                   scratch);
    for (const MinMax& range : scratch.ranges) observation.range = united(observation.range, range);
    observation.finite = observation.range.max < std::numeric_limits<float>::infinity();
    return observation;
  }
  const MseGrid grid = *mse_grid(args);
  observation.range = before.range;
  observation.finite = before.finite;
  observation.grid_errors.assign(static_cast<size_t>(grid.num_steps()), 0.0);
  if (!before.finite) return observation;
  kernels.mse_grid_errors(rows, before.range, code_spec(args), args.symmetric,
                          search_storage(args, rows.dtype), grid, observation.grid_errors.data());
  return observation;
}

void merge(Observation& observation, const Observation& next) {
  observation.range = united(observation.range, next.range);
  observation.finite = observation.finite && next.finite;
  observation.grid_errors.resize(std::max(observation.grid_errors.size(), next.grid_errors.size()));
  for (size_t i = 0; i < next.grid_errors.size(); ++i) observation.grid_errors[i] += next.grid_errors[i];
}

void finish_pass(const QuantizationScheme& scheme, DType weight_dtype, int pass, Observation& observation) {
  if (pass == 0 || !observation.finite) return;
  const QuantizationArgs& args = *scheme.weights;
  const MseGrid grid = *mse_grid(args);
  const auto& errors = observation.grid_errors;
  const auto best = std::min_element(errors.begin(), errors.end()) - errors.begin();
  const float fraction = grid.fraction(static_cast<int>(best));
  const ScaleStorage storage = search_storage(args, weight_dtype);
  observation.range = {round_to_storage(observation.range.min * fraction, storage),
                       round_to_storage(observation.range.max * fraction, storage)};
}

}  // namespace tersor
