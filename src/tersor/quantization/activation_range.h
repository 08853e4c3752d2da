// The range of activations that static scales cover, from the ranges of the calibration samples.
#pragma once

#include <span>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_args.h"

namespace tersor {

// `static_minmax` (and memoryless_minmax, which for the reference is the last sample's alone): all samples'
// range. `minmax`: the moving average v ← v·(1 − c) + new·c over the samples in order, the first as it is, c
// = observer_kwargs.averaging_constant (0.01). Zero is always inside. REQUIRES: at least one sample.
MinMax activation_range(const QuantizationArgs& args, std::span<const MinMax> samples);

// Throws Error(kPlanRefused) for an observer that activations cannot have.
void validate_activation_observer(const QuantizationArgs& args);

}  // namespace tersor
