// What a calibrated run will take, from headers and settings: before a token is read. Internal.
#pragma once

#include "tersor/entrypoints/plan.h"
#include "tersor/entrypoints/session.h"

namespace tersor {

// REQUIRES: session.plan.calibration. Assumes samples of the full length. The rate of matrix products is
// measured on the spot, in milliseconds.
CalibrationPrediction predict_calibration(const Session& session);

}  // namespace tersor
