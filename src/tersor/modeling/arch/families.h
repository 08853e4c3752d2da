// The families of models that can be run: each reads its config.json into a ModelConfig.
#pragma once

#include <string>
#include <vector>

#include "tersor/modeling/config_reader.h"
#include "tersor/modeling/read_model_config.h"

namespace tersor {

// Fills in what nearly all decoders have in common, under the key names that Llama set.
ModelConfig read_common(const ConfigReader& config);
// The windows of `layer_types`, else of every layer where `everywhere`.
void read_windows(const ConfigReader& config, bool everywhere, ModelConfig& model);
// The activation by Transformers' name.
Activation read_activation(const ConfigReader& config, std::string_view key, std::string fallback);
// Layers [first_dense, …) are mixtures of experts.
void read_experts(const ConfigReader& config, std::string_view count_key, std::string_view width_key,
                  ModelConfig& model);

ModelConfig read_llama(const ConfigReader& config);
ModelConfig read_mistral(const ConfigReader& config);
ModelConfig read_qwen2(const ConfigReader& config);
ModelConfig read_qwen2_5_vl(const ConfigReader& config);
ModelConfig read_qwen3(const ConfigReader& config);
ModelConfig read_phi3(const ConfigReader& config);
ModelConfig read_gemma2(const ConfigReader& config);
ModelConfig read_gemma3(const ConfigReader& config);
ModelConfig read_olmo2(const ConfigReader& config);
ModelConfig read_granite(const ConfigReader& config);
ModelConfig read_smollm3(const ConfigReader& config);
ModelConfig read_starcoder2(const ConfigReader& config);
ModelConfig read_cohere2(const ConfigReader& config);
ModelConfig read_mixtral(const ConfigReader& config);
ModelConfig read_qwen2_moe(const ConfigReader& config);
ModelConfig read_qwen3_moe(const ConfigReader& config);
ModelConfig read_olmoe(const ConfigReader& config);
ModelConfig read_granitemoe(const ConfigReader& config);
ModelConfig read_deepseek_v2(const ConfigReader& config);
ModelConfig read_deepseek_v3(const ConfigReader& config);
ModelConfig read_glm4_moe(const ConfigReader& config);

}  // namespace tersor
