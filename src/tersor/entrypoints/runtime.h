// What generate() and evaluate() share: back ends by name, and warnings. Internal.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/modeling/model_config.h"

namespace tersor {

// `dtype`: "auto", "f32" or "bf16". Throws Error(kUsage) for any other, and for bf16 on a CPU without it.
std::unique_ptr<Backend> make_backend(const std::string& dtype, size_t threads);

using Warn = std::function<void(const std::string&)>;

// Keeps warnings in `kept`, and tells `also` (may be empty) at once. Refers to both.
Warn kept_warnings(std::vector<std::string>& kept, const Warn& also);

// A warning when `tokens` positions go beyond what the model was made for.
void warn_of_length(const ModelConfig& config, size_t tokens, const Warn& warn);

}  // namespace tersor
