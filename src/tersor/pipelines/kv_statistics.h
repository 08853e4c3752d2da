// Ranges of the keys and values that one layer caches, and their scales.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "tersor/modeling/layer_forward.h"
#include "tersor/quantization/activation_statistics.h"

namespace tersor {

class KvStatistics {
 public:
  // `scheme`: kv_cache_scheme, strategy tensor (one scale) or attn_head (one per key/value head); null:
  // nothing is wanted.
  KvStatistics(Backend& backend, const AttentionConfig& attention, std::optional<QuantizationArgs> scheme);

  bool wanted() const { return scheme_.has_value(); }
  // Keys [tokens, kv_heads × head_dim] after rotary, and values [tokens, kv_heads × value_dim].
  void add(std::span<const SequenceSpan> sequences, const DeviceTensor& keys, const DeviceTensor& values);
  // The bytes of k_scale or v_scale. REQUIRES: at least one sequence.
  std::vector<std::byte> scales(bool keys, DType dtype) const;

 private:
  void add(std::span<const SequenceSpan> sequences, const DeviceTensor& x,
           std::vector<ActivationStatistics>& heads);

  Backend& backend_;
  std::optional<QuantizationArgs> scheme_;
  ActivationNeeds needs_;
  size_t heads_;                                     // that have a scale of their own; 1: all share one
  std::vector<ActivationStatistics> keys_, values_;  // [heads]
};

}  // namespace tersor
