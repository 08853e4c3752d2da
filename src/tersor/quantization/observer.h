// Observers of weights: how the range that a scale covers is found.
//
// memoryless_minmax, static_minmax and minmax are one for weights, which are observed once: the smallest and
// the largest element. memoryless_mse and mse try the ranges p·[min, max], p = 1, 1 - 1/grid, …, and take the
// one whose quantization error Σ|Q(x) - x|^norm is least. Every step is tried: the reference's `patience`
// ends its search only once no group of the whole tensor improves, so a group that stopped by itself could
// end up worse than there. imatrix_mse is the same search with each column's error multiplied by its Σ x_j²
// over calibration tokens.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_args.h"

namespace tersor {

// The grid of the mse observers, with args.observer_kwargs over its defaults; nullopt for the others.
std::optional<MseGrid> mse_grid(const QuantizationArgs& args);

// The observers that need no data, as recipes name them.
std::span<const std::string_view> weight_observers();

// Throws Error(kUsage) when args.observer is none of weight_observers() or has an argument that it does not
// know or that is out of range; `where` as for validate(args). imatrix_mse passes: that it
// needs calibration data is the plan's to say.
void validate_weight_observer(const QuantizationArgs& args, const std::string& where);

}  // namespace tersor
