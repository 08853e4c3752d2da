// What plan() and oneshot() do first: open the checkpoint, make the recipe, plan. Internal.
#pragma once

#include "tersor/entrypoints/plan.h"
#include "tersor/entrypoints/request.h"
#include "tersor/io/checkpoint.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {

struct Session {
  Checkpoint checkpoint;
  Recipe recipe;
  CompressionPlan plan;
  size_t threads = 1;
  std::string reader;
  CalibrationSettings calibration;
};

Session open_session(const CompressionRequest& request);

PlanReport report_of(const Session& session);

// Seconds that one thread of this CPU takes to quantize a byte of `dtype` weights with this scheme: measured
// on the spot, in milliseconds.
double seconds_per_byte(const QuantizationScheme& scheme, DType dtype);

}  // namespace tersor
