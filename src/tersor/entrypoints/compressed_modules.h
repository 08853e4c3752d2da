// The quantized modules of a compressed checkpoint, found from its config.json and tensor names. Internal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tersor/compressors/quantization_config.h"
#include "tersor/io/checkpoint.h"
#include "tersor/modifiers/quantization/quantization_modifier.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {

// Which scheme a reader gives to a module: targets by specificity, ignore above all.
class SchemeLookup {
 public:
  explicit SchemeLookup(const QuantizationConfig& config);
  // Index into config.groups; nullopt: not quantized.
  std::optional<size_t> scheme_of(const ModuleName& module) const;
  // The target that gives it its scheme; empty: not quantized.
  std::string target_of(const ModuleName& module) const;

 private:
  TargetList list_;
  NameMatcher targets_, ignore_;
};

// A module that is stored quantized.
struct CompressedModule {
  std::string name;
  size_t scheme = 0;  // index into the config's groups
  uint64_t out = 0;
  uint64_t in = 0;
};

// The module and suffix of a tensor that only quantized modules have ("…q_proj", "weight_scale"); nullopt for
// others.
std::optional<std::pair<std::string, std::string>> split_stored_name(const std::string& tensor_name);

// The object `quantization_config` of config.json; nullopt when the checkpoint is not quantized.
std::optional<QuantizationConfig> quantization_config_of(const Checkpoint& checkpoint);

// All quantized modules, by name. Throws Error(kInput) for one that no group targets or whose shape cannot be
// told.
std::vector<CompressedModule> compressed_modules(const Checkpoint& checkpoint,
                                                 const QuantizationConfig& config);

}  // namespace tersor
