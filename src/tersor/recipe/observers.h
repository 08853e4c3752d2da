// Which observer each part of a scheme gets: the recipe's choice, else llm-compressor's default.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

// A modifier's choice, over that of its schemes: `weight_observer` and its like, or `observer: {weights, …}`.
struct ObserverChoice {
  std::optional<std::string> weights;
  std::optional<std::string> input;
  std::optional<std::string> output;
};

// Applies the choice, then the defaults where neither chose: memoryless_minmax for weights, minmax for
// activations, none for what is dynamic.
void choose_observers(QuantizationScheme& scheme, const ObserverChoice& choice);

// The canonical spelling ("MSE" → "mse"). Throws Error(kUsage) for an observer that llm-compressor does not
// have, or that this version does not; `prefix` opens the message: "" or "recipe.yaml:7:5: ".
std::string observer_name(std::string_view prefix, std::string_view name);

}  // namespace tersor
