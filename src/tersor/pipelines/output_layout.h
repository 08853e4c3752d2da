// Which tensors each output file holds, and where.
#pragma once

#include <vector>

#include "tersor/pipelines/compression_plan.h"

namespace tersor {

// Fills plan.shards from plan.inventory, plan.decisions (whose `stored` it sets) and plan.schemes.
//
// A quantized weight is replaced by its stored tensors; a fused expert tensor of which any module is
// quantized becomes one tensor per module; every other tensor is copied. Tensors stand in the order in which
// the safetensors library writes them (wider dtypes first, then by name), which keeps every one naturally
// aligned. Throws Error(kInput) when two tensors would have one name.
void lay_out_shards(const Checkpoint& checkpoint, CompressionPlan& plan);

// Whether the files say that this program wrote them: `writer` in the `__metadata__` of any shard.
bool written_by_tersor(const Checkpoint& checkpoint);

}  // namespace tersor
