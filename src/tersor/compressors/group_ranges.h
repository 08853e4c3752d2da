// The ranges that the scheme's observer finds in rows of a weight, one per scale.
#pragma once

#include "tersor/compressors/compressor.h"

namespace tersor {

// `global_scale`: NVFP4's, for whose mse search it is then what the scales are rounded to fp8 by; 0 while it
// is not known. Not used otherwise.
//
// Fills scratch.ranges with [scale rows, scale columns] ranges over `rows`, row-major. With strategy tensor
// that is one plain range per row, whatever the observer. A range over a NaN or an infinity has max =
// +infinity.
// `importance`: null, or [cols], by which a search multiplies the errors of each column.
void observe_groups(const QuantizationArgs& args, const WeightView& rows, float global_scale,
                    const float* importance, const QuantizeKernels& kernels, CompressScratch& scratch);

}  // namespace tersor
