// config.json's `ignore`: the modules that readers would take for quantized ones, were they not named.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"

namespace tersor {

// What `ignore` is made of. Names are the checkpoint's own, and not copied: a plan has hundreds of thousands.
struct IgnoreNames {
  std::vector<std::string_view>
      ignored;  // stored as they are, though a reader's linear class would take them
  std::vector<std::string_view> quantized;  // must not be matched by any entry
};

// Sorted names, and for a model of several parts (see is_multipart) patterns that match the same modules
// under the other spellings. vLLM maps exact names of the checkpoint to its own; Transformers compares
// entries with its module names as they are, where `visual.blocks.0.…` is `model.visual.blocks.0.…`. The
// broadest pattern that matches no quantized module is taken: the whole part, then every layer of it, then
// the one module.
std::vector<std::string> ignore_list(const IgnoreNames& names, bool multipart);

// The names that Transformers 5 and vLLM 0.32 give to a module of a model of several parts, those equal to
// the checkpoint's `name` left out: "visual.blocks.0.attn.qkv" is "model.visual.blocks.0.attn.qkv" to
// Transformers, "model.layers.0.mlp.up_proj" is "model.language_model.layers.0.…" to it and
// "language_model.model.layers.0.…" to vLLM.
std::vector<std::string> other_spellings(std::string_view name);

// Whether readers rename the modules of this model: config.json describes a language model among other parts.
bool is_multipart(const Json& config);

}  // namespace tersor
