// Weights that stay bf16 in memory while products are f32: what CPUs without bf16 instructions multiply by.
//
// Widened once, a weight would take twice the memory, and every token that is decoded would read twice the
// bytes. oneDNN has no such product, so this is our own.
#pragma once

#include <memory>

#include "hwy/aligned_allocator.h"

#include "tersor/backend/backend.h"

namespace tersor {

struct Bf16Weight : PackedWeight {
  hwy::AlignedFreeUniquePtr<uint16_t[]> blocks;  // as weight_kernels.h says
};

// `weight` is bf16 [out, in].
std::shared_ptr<const Bf16Weight> keep_bf16(const DeviceTensor& weight, int threads);

// y = x · wᵀ. `memory` gives the scratch. Each element of y has the same bits for every number of rows and of
// threads.
void multiply_bf16_weight(Backend& memory, const DeviceTensor& x, const Bf16Weight& w, int threads,
                          const DeviceTensor& y);

}  // namespace tersor
