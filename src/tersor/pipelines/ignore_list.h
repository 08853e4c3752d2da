// config.json's `ignore`: the modules that readers would take for quantized ones, were they not named.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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

}  // namespace tersor
