// A decoder model that runs: embeddings, layers one at a time or all at once, and the head.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tersor/io/checkpoint.h"
#include "tersor/modeling/layer_forward.h"
#include "tersor/modeling/weight_loader.h"

namespace tersor {

// Keys and values of one sequence in every layer, for up to `capacity` positions.
struct KvCache {
  size_t capacity = 0;
  size_t length = 0;  // positions so far
  std::vector<LayerCache> layers;
};

// Not thread-safe. The back end must outlive it. Token ids beyond the vocabulary throw Error(kInput).
class Model {
 public:
  // Reads the configuration and the final norm; other weights come when they are needed. Throws Error(kInput)
  // for an architecture that cannot be run, and for embeddings or a head that are missing or of another
  // shape.
  Model(Checkpoint checkpoint, Backend& backend);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return config_; }
  const Checkpoint& checkpoint() const { return checkpoint_; }
  Backend& backend() const { return *backend_; }

  // One layer, by itself, for passes that hold one at a time.
  Layer load_layer(size_t index) const;
  // Layer `index` is loaded next: its bytes come into the kernel's cache while other work is done, unless the
  // cache has no room for two layers. Of a layer that is not there: nothing.
  void expect_layer(size_t index) const;
  // Its bytes are not read again.
  void done_with_layer(size_t index) const;
  // All of them, the embeddings and the head, for generation; done by the first call that needs them.
  void load_all_layers();

  // Rotary tables for sequences of up to `length` positions.
  std::vector<RopeTable> make_ropes(size_t length) const;
  // [ids, hidden]; before load_all_layers() the rows are read from the file.
  DeviceTensor embed(std::span<const int32_t> ids) const;
  DeviceTensor final_norm(const DeviceTensor& hidden) const;
  // The part of the head that makes logits [begin, begin + count) of the vocabulary, `begin` a multiple of
  // 128.
  Linear load_head(size_t begin, size_t count) const;
  // Logits [rows, outputs of `head`] of what final_norm() gave.
  DeviceTensor apply_head(const Linear& head, const DeviceTensor& normed) const;

  // The first layer whose output for `ids` holds a NaN or an infinity; -1: the embedding; nullopt: none.
  std::optional<int> first_layer_not_finite(std::span<const int32_t> ids);

  // Logits [ids, vocabulary] of a whole sequence.
  DeviceTensor logits(std::span<const int32_t> ids);

  KvCache make_cache(size_t capacity) const;
  // Logits [1, vocabulary] after the last of `ids`, which follow what the cache holds. Throws Error(kUsage)
  // when they do not fit it.
  DeviceTensor step(std::span<const int32_t> ids, KvCache& cache);

 private:
  Shape embedding_shape() const { return {config_.vocabulary, config_.hidden}; }
  DeviceTensor run_layers(DeviceTensor hidden, std::vector<SequenceSpan> sequences, KvCache* cache,
                          std::span<const RopeTable> ropes);

  Checkpoint checkpoint_;
  Backend* backend_;
  ModelConfig config_;
  std::unique_ptr<WeightLoader> loader_;
  DeviceTensor embedding_;
  Norm final_norm_;
  Linear head_;
  std::vector<Layer> layers_;
  std::vector<RopeTable> step_ropes_;  // for caches of step_capacity_
  size_t step_capacity_ = 0;
};

}  // namespace tersor
