// Targets in config.json that mean the same modules to every reader of a model of several parts.
#pragma once

#include <string>
#include <vector>

#include "tersor/pipelines/compression_plan.h"

namespace tersor {

// `re:.*language_model.*` is no name of the checkpoint's `model.layers.0.…`, but one of Transformers' and
// vLLM's `language_model.…`: readers compare targets with their own names, and would leave a module that no
// target matches without a scheme. Where a target's meaning depends on the spelling, the targets of all
// schemes in use become patterns that match exactly the scheme's modules, however they are spelled. For
// models that readers do not rename there is nothing to do.
void make_targets_portable(CompressionPlan& plan);

}  // namespace tersor
