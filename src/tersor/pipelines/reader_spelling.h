// The names that readers give to the modules of a model of several parts, and patterns for all of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tersor {

// The names that Transformers 5 and vLLM 0.32 give to a module of a model of several parts (is_multipart),
// those equal to the checkpoint's `name` left out: "visual.blocks.0.attn.qkv" is
// "model.visual.blocks.0.attn.qkv" to Transformers, "model.layers.0.mlp.up_proj" is
// "model.language_model.layers.0.…" to it and "language_model.model.layers.0.…" to vLLM.
std::vector<std::string> other_spellings(std::string_view name);

// "model.language_model.layers.0.mlp.gate" → "layers.0.mlp.gate": what every reader's name ends in.
std::string_view without_wrappers(std::string_view name);
// "layers".
std::string_view first_part(std::string_view core);

// A regex for `core`: dots and other punctuation stand for themselves, and each index for any when asked.
std::string as_regex(std::string_view core, bool any_index);

}  // namespace tersor
