// Attention in bf16 with f32 sums and an f32 softmax, where the CPU has AVX512-BF16.
#pragma once

#include "tersor/backend/backend.h"

namespace tersor {

bool cpu_has_bf16_attention();

// Backend::attention; queries, keys, values and probabilities are rounded to bf16 where they are multiplied.
void attention_in_bf16(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                       const DeviceTensor& v, const DeviceTensor& out, int threads,
                       void (*soft_cap)(float cap, const float* x, size_t n, float* y));

}  // namespace tersor
