// GPTQModifier: what a recipe says beside schemes and targets.
#pragma once

#include <string>

#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

// The order of columns is the scheme's weights.actorder: static, which the modifier sets where nothing else
// is asked for, or none.
struct GptqParameters {
  int block_size = 128;          // columns per lazy block
  double dampening_frac = 0.01;  // of the mean of the Hessian's diagonal
  // Of each element of the diagonal: what calibration data say about how inputs go together holds less well
  // for other data than what they say of each input alone (docs/accuracy.md).
  double shrinkage = 0.1;
  // GPTAQ: the output is kept near what the source model's input gives (asymmetric_shift.h).
  bool asymmetric_calibration = false;
  // Scales of either sign, where weights have them (signed_scales.h).
  bool signed_scales = true;

  bool operator==(const GptqParameters&) const = default;
};

// The observer of weights where the recipe leaves it open. The Hessian's diagonal says for nothing which
// columns matter, so scales are searched with it; it is what gives the smallest distance from the source
// model (docs/accuracy.md). A scale over a whole tensor is searched over rows of several weights, without it.
inline std::string gptq_weight_observer(const QuantizationArgs& weights) {
  return weights.strategy == Strategy::kTensor ? "memoryless_mse" : "imatrix_mse";
}

}  // namespace tersor
