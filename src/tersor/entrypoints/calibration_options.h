// The request's settings, whose names are text, as the pipeline takes them. Internal.
#pragma once

#include "tersor/entrypoints/request.h"
#include "tersor/pipelines/calibration_memory.h"
#include "tersor/pipelines/sequential.h"

namespace tersor {

// Without samples and callbacks. Throws Error(kUsage) for a name that is none.
CalibrationOptions calibration_options(const CalibrationSettings& settings);

// What they make of memory, for `tokens` in samples of up to `longest`.
CalibrationSizes calibration_sizes(const CalibrationOptions& options, Backend& backend, uint64_t tokens,
                                   uint64_t longest);

}  // namespace tersor
