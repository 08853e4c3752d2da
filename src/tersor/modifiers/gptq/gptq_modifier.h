// GPTQModifier: what a recipe says beside schemes and targets.
#pragma once

#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

// The order of columns is the scheme's weights.actorder: static, which the modifier sets where nothing else
// is asked for, or none.
struct GptqParameters {
  int block_size = 128;          // columns per lazy block
  double dampening_frac = 0.01;  // of the mean of the Hessian's diagonal
  // GPTAQ: the output is kept near what the source model's input gives (asymmetric_shift.h).
  bool asymmetric_calibration = false;

  bool operator==(const GptqParameters&) const = default;
};

// The observer of weights where the recipe leaves it open. The reference takes minmax; mse is what the best
// published tables use (docs/differences.md).
inline constexpr const char* kGptqWeightObserver = "memoryless_mse";

}  // namespace tersor
