// Phi-3 and 3.5: q, k, v in one matrix, gate and up in another; longrope; Phi-4-mini rotates a part of a
// head.
#include "tersor/modeling/arch/families.h"

namespace tersor {

ModelConfig read_phi3(const ConfigReader& config) {
  ModelConfig model = read_common(config);
  read_windows(config, true, model);
  model.names.qkv = "self_attn.qkv_proj";
  model.names.gate_up = "mlp.gate_up_proj";
  return model;
}

}  // namespace tersor
