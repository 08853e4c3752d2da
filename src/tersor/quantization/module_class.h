// What kind of module a weight belongs to, told from its name and shape: a checkpoint does not say.
#pragma once

#include <string_view>

#include "tersor/tensor/shape.h"

namespace tersor {

// A class target of a recipe matches by to_string().
enum class ModuleClass {
  kLinear,
  kEmbedding,
  kNorm,
  kRouter,  // an MoE gate: never matched by the class target "Linear"
  kConv,    // more than two dimensions, or GPT-2's Conv1D, which stores [in, out]
  kOther,
};
std::string_view to_string(ModuleClass c);  // "Linear", "Embedding", …

// The class of the module `name` whose tensor `name`.weight has `weight_shape`. `model_type` is config.json's
// (it tells GPT-2's transposed Conv1D from a Linear of the same name) and may be empty. Routers include the
// gates of shared experts, which inference engines keep unquantized although they are Linears.
ModuleClass classify_module(std::string_view name, const Shape& weight_shape,
                            std::string_view model_type = {});

}  // namespace tersor
