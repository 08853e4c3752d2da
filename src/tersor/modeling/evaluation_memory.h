// How much memory an evaluation needs beside the hidden states that wait for the next layer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tersor/modeling/model.h"

namespace tersor {

// Rows of the head, and tokens, whose logits are in memory at a time: 16384 × 512 of f32 are 32 MiB.
constexpr size_t kHeadSlice = 16384;
constexpr size_t kHeadTokens = 512;

// Weights of layer `index`, by config.json: of one token's products.
uint64_t layer_weights(const ModelConfig& config, size_t index);

// Bytes at the peak, an upper estimate: the program, the largest layer, and one window on its way through it,
// or a slice of the head with its logits.
uint64_t evaluation_memory(const Model& model, size_t window);

}  // namespace tersor
