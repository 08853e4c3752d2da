// model.safetensors.index.json: which shard holds which tensor.
//
// Layout: {"metadata": {"total_size": bytes, …}, "weight_map": {tensor name: file name, …}}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/io/json.h"

namespace tersor {

struct SafetensorsIndex {
  struct Entry {
    std::string tensor;
    uint32_t file = 0;  // index into `files`
  };

  Json metadata;                   // the "metadata" object, or null
  std::vector<std::string> files;  // each once, sorted; plain names that end in .safetensors
  std::vector<Entry> entries;      // in order of tensor name
};

// Parses the text of an index; `origin` names it in errors. Throws Error(kInput) for bad JSON, no weight_map
// or an empty one, a tensor named twice, and a file that is no plain name of a .safetensors file beside the
// index (a path, `..`).
SafetensorsIndex parse_safetensors_index(std::string_view text, const std::string& origin);

}  // namespace tersor
