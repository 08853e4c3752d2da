// Where the bytes of a layer lie in a checkpoint.
#pragma once

#include <cstdint>
#include <vector>

#include "tersor/io/checkpoint.h"
#include "tersor/modeling/model_config.h"

namespace tersor {

struct ByteRange {
  size_t shard = 0;
  uint64_t begin = 0, end = 0;

  bool operator==(const ByteRange&) const = default;
};

// All tensors of layer `index`, in order of place, with neighbours as one range. None for a layer that is not
// there.
std::vector<ByteRange> layer_ranges(const Checkpoint& checkpoint, const ModelConfig& model, size_t index);

}  // namespace tersor
