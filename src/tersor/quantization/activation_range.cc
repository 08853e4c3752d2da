#include "tersor/quantization/activation_range.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {

MinMax activation_range(const QuantizationArgs& args, std::span<const MinMax> samples) {
  MinMax range = samples[0];
  if (args.observer == "minmax") {
    const auto given = args.observer_kwargs.find("averaging_constant");
    const auto c = static_cast<float>(given == args.observer_kwargs.end() ? 0.01 : given->second);
    for (const MinMax& sample : samples.subspan(1))
      range = {range.min * (1 - c) + sample.min * c, range.max * (1 - c) + sample.max * c};
  } else {
    for (const MinMax& sample : samples)
      range = {std::min(range.min, sample.min), std::max(range.max, sample.max)};
  }
  return {std::min(range.min, 0.0f), std::max(range.max, 0.0f)};
}

void validate_activation_observer(const QuantizationArgs& args) {
  const std::string observer = args.observer.value_or("static_minmax");
  if (observer == "static_minmax" || observer == "memoryless_minmax" || observer == "minmax") return;
  throw Error(ErrorCode::kPlanRefused,
              fmt::format("the observer `{}` cannot measure activations in this version", observer),
              "use `static_minmax` (all samples' range) or `minmax` (its moving average)");
}

}  // namespace tersor
