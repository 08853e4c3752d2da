// config.json's `ignore`: the modules that readers would take for quantized ones, were they not named.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tersor/io/json.h"

namespace tersor {

// What `ignore` is made of. Names are the checkpoint's own.
struct IgnoreNames {
  std::vector<std::string> ignored;    // stored as they are, though a reader's linear class would take them
  std::vector<std::string> quantized;  // must not be matched by any entry
};

// Sorted names, and for a model of several parts (see is_multipart) patterns that match the same modules
// under the other spellings. vLLM maps exact names of the checkpoint to its own; Transformers compares
// entries with its module names as they are, where `visual.blocks.0.…` is `model.visual.blocks.0.…`. The
// broadest pattern that matches no quantized module is taken: the whole part, then every layer of it, then
// the one module.
std::vector<std::string> ignore_list(const IgnoreNames& names, bool multipart);

// Whether readers rename the modules of this model: config.json describes a language model among other parts.
bool is_multipart(const Json& config);

}  // namespace tersor
