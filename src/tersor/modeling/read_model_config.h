// From config.json to the description of a model that runs.
#pragma once

#include <string>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/modeling/model_config.h"

namespace tersor {

// The registry: by config.json's `model_type`. Throws Error(kInput) for an unknown one, saying what can be
// run and that data-free compression needs no running model.
ModelConfig read_model_config(const Json& config, const std::string& origin);
std::vector<std::string> runnable_model_types();

}  // namespace tersor
