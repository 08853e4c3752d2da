// Which modules wait for calibration data, and whether the model can be run for them.
#pragma once

#include "tersor/pipelines/compression_plan.h"

namespace tersor {

// Sets ModuleDecision::calibrated and plan.calibration (but for its places in shards); nothing where no
// module needs data. Throws Error(kPlanRefused) when the model cannot be run, when a module that needs data
// is no linear of its decoder, or for activation scales that cannot be measured.
void plan_calibration(const Checkpoint& checkpoint, std::vector<std::string> reasons,
                      const std::optional<QuantizationArgs>& kv_cache_scheme, CompressionPlan& plan);

}  // namespace tersor
