// What a checkpoint consists of, in modules: the first step from a folder of tensors to a plan.
//
// Every `<module>.weight` is one module. A fused expert tensor [experts, rows, columns] is one module per
// expert and projection, named as inference engines name them; its modules are slices of one source tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tersor/io/checkpoint.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {

struct SourceModule {
  ModuleName name;  // class kLinear for every matrix of experts
  Shape shape;      // of the module's weight: [out, in] for a matrix
  DType dtype = DType::kBF16;
  TensorPlace place;       // the tensor that holds the weight
  uint64_t begin = 0;      // where the weight starts in that tensor's file
  bool has_weight = true;  // false: a module that only shares another's weight (a tied lm_head)
  // Not empty: never quantized, whatever the recipe says, and why ("tied to model.embed_tokens", …).
  std::string kept_because;
  // Not empty: a scheme on this module is an error, and why (a layout that is not understood).
  std::string unsupported;

  bool is_matrix() const { return shape.size() == 2; }
  uint64_t out() const { return shape[0]; }
  uint64_t in() const { return shape[1]; }
};

struct ModuleInventory {
  std::vector<SourceModule> modules;  // in order of shard and place in it
  // Names of multi-token-prediction layers, as a pattern for config.json's ignore; empty when there are none.
  std::vector<std::string> mtp_patterns;
};

// SourceModule::kept_because of the layers that predict further tokens.
inline constexpr const char* kMtpReason = "a multi-token-prediction layer";

// Throws Error(kInput) when the checkpoint is quantized already, or a weight has no elements.
ModuleInventory take_inventory(const Checkpoint& checkpoint);

// `--ignore …` for the module and for all that engines treat as one with it: those it is stacked with (q, k,
// v), and the whole mixture of an expert.
std::string flags_to_ignore(const ModuleInventory& inventory, const std::string& name);

// The integer at `key`, of the top level or of `text_config`; 0 when absent.
uint64_t config_uint(const Json& config, const std::string& key);

}  // namespace tersor
