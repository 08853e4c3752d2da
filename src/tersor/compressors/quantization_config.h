// config.json's `quantization_config`: written from schemes, read back strictly.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

struct QuantizationConfig {
  std::vector<QuantizationScheme> groups;  // group_0, group_1, …; each with its targets and concrete format
  std::vector<std::string> ignore;
  std::optional<QuantizationArgs> kv_cache_scheme;
  std::string version;  // of compressed-tensors whose layout this is
};

// The object for `quantization_config`; a global format of several kinds is "mixed-precision".
Json quantization_config_to_json(const QuantizationConfig& config);

// Throws Error(kInput) with the key's path for unknown keys and wrong values; `origin` names the file.
QuantizationConfig quantization_config_from_json(const Json& json, const std::string& origin);

// One QuantizationArgs object, all keys, null where unset (docs/formats.md, "QuantizationArgs").
Json args_to_json(const QuantizationArgs& args);

}  // namespace tersor
