// config.json's `quantization_config`: written from schemes, read back strictly.
//
// The object and its keys are those of compressed-tensors (docs/formats.md, "config.json"); every key is
// written, null where unset, as its own writer does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

// The compressed-tensors release whose layout is written: the first that packs 3, 5, 6 and 7 bits densely.
inline constexpr std::string_view kLayoutVersion = "0.18.0";

struct QuantizationConfig {
  // group_0, group_1, …, each with its targets and concrete format. When more than ten are written their
  // numbers are padded (group_00), so that readers, which see the keys sorted, keep this order.
  std::vector<QuantizationScheme> groups;
  std::vector<std::string> ignore;
  std::optional<QuantizationArgs> kv_cache_scheme;
  std::string version{kLayoutVersion};  // of compressed-tensors whose layout this is
};

// The object for `quantization_config`; a global format of several kinds is "mixed-precision".
Json quantization_config_to_json(const QuantizationConfig& config);

// The inverse, also for what other writers make: it takes what compressed-tensors' own reader takes (dtypes
// without "torch.", strategy and group_size one from the other, "128x128" blocks, preset names as groups,
// missing keys). Groups come in the order of their names; a group without a format gets the global one.
// Throws Error(kInput) with the key's path for a wrong value, for an unknown key in a group or in its
// QuantizationArgs (others are ignored, as readers do), and for sparsity and transforms, which need more than
// schemes to be read. `origin` names the file.
QuantizationConfig quantization_config_from_json(const Json& json, const std::string& origin);

// One QuantizationArgs object, all keys, null where unset (docs/formats.md, "QuantizationArgs").
Json args_to_json(const QuantizationArgs& args);

// The inverse. `path` is the object's place in the file, for errors: "config_groups.group_0.weights".
QuantizationArgs args_from_json(const Json& json, const std::string& origin, const std::string& path);

}  // namespace tersor
