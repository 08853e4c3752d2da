// Attention of many queries in f32, in SIMD: what a block of keys adds.
#pragma once

#include <cstddef>
#include <vector>

namespace tersor {

// Queries of a head that share a pass over the keys: they lie side by side in vectors.
constexpr size_t kAttentionQueries = 64;
// Keys at a time. Scores, [keys, queries] f32, are 64 KiB, and stay in the second-level cache with the keys
// and values that they come from.
constexpr size_t kAttentionKeys = 256;
// A row of values takes whole multiples of this many floats.
constexpr size_t kValueWidth = 64;

struct AttentionBlock {
  const float* queries;  // [head_dim, kAttentionQueries], scaled; zeros behind the last
  size_t query_count;
  const float* keys;  // [count, head_dim]
  size_t key_stride;
  const float* values;  // [count, value_dim], each readable up to the next multiple of kValueWidth
  size_t value_stride;
  size_t count;  // of keys, up to kAttentionKeys
  size_t head_dim;
  size_t value_dim;
  // Query i sees the keys before `seen` + i, which may lie before the first or behind the last; where
  // `window` is not 0, so many of them.
  std::ptrdiff_t seen;
  size_t window;
  bool first;      // of the keys that the queries see: what the sums hold is no number yet
  float soft_cap;  // c·tanh(score / c); 0: none
  float* scores;   // scratch, [kAttentionKeys, kAttentionQueries]
  // By query, [kAttentionQueries]: the largest score so far, and Σ exp(score − largest).
  float* largest;
  float* total;
  float* out;  // [query_count, value_dim]: Σ exp(score − largest) · value
  size_t out_stride;
};

// One table per SIMD target, chosen at run time. Every output is made of its query, the keys and the values
// alone: which other queries there are changes no bit.
struct AttentionKernels {
  const char* name;
  void (*add_keys)(const AttentionBlock& block);
};

const AttentionKernels& cpu_attention_kernels();
// One table per SIMD target that this CPU runs: for tests. Not to be called while another thread calls
// cpu_attention_kernels().
std::vector<const AttentionKernels*> supported_attention_kernels();

}  // namespace tersor
