// One line per `model_type` that can be run.
#include <array>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/modeling/arch/families.h"

namespace tersor {
namespace {

struct Family {
  const char* model_type;
  ModelConfig (*read)(const ConfigReader& config);
};

constexpr std::array kFamilies = {
    Family{"cohere2", read_cohere2},
    Family{"deepseek_v2", read_deepseek_v2},
    Family{"deepseek_v3", read_deepseek_v3},
    Family{"gemma2", read_gemma2},
    Family{"gemma3_text", read_gemma3},
    Family{"glm4_moe", read_glm4_moe},
    Family{"granite", read_granite},
    Family{"granitemoe", read_granitemoe},
    Family{"llama", read_llama},
    Family{"mistral", read_mistral},
    Family{"mixtral", read_mixtral},
    Family{"olmo2", read_olmo2},
    Family{"olmoe", read_olmoe},
    Family{"phi3", read_phi3},
    Family{"qwen2", read_qwen2},
    Family{"qwen2_5_vl", read_qwen2_5_vl},
    Family{"qwen2_moe", read_qwen2_moe},
    Family{"qwen3", read_qwen3},
    Family{"qwen3_moe", read_qwen3_moe},
    Family{"smollm3", read_smollm3},
    Family{"starcoder2", read_starcoder2},
};

}  // namespace

std::vector<std::string> runnable_model_types() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.model_type);
  return names;
}

ModelConfig read_model_config(const Json& config, const std::string& origin) {
  const ConfigReader reader(config, origin);
  const std::string type = reader.text("model_type", "");
  for (const Family& family : kFamilies) {
    if (type != family.model_type) continue;
    ModelConfig model = family.read(reader);
    model.family = type;
    return model;
  }
  throw input_error(fmt::format("{}: models of type `{}` cannot be run; those that can: {}", origin,
                                printable(type), quoted_list(runnable_model_types(), "and")),
                    "data-free compression (RTN) needs no running model and takes any architecture");
}

}  // namespace tersor
