// What config.json says of a compressed checkpoint, against its tensors and against what readers accept.
// Internal.
#pragma once

#include <string>
#include <vector>

#include "tersor/compressors/quantization_config.h"
#include "tersor/entrypoints/compressed_modules.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {

struct ConfigCheck {
  std::vector<std::string> failures;
  std::vector<std::string> notes;
};

// Config.json and the other texts of what Tersor wrote, against those of the plan it was made by.
ConfigCheck check_planned_texts(const Checkpoint& output, const CompressionPlan& plan);

// The quantization_config of any writer: its parts against each other and against the tensors, and the load
// rules. Of `plan`, the inventory (the reference's), the decisions and the schemes (config.groups) are used.
ConfigCheck check_quantization_config(const Checkpoint& output, const QuantizationConfig& config,
                                      const CompressionPlan& plan);

// One note for each reader that cannot load the result.
std::vector<std::string> notes_of_readers(std::span<const LoadIssue> issues);

}  // namespace tersor
