// The activations of all calibration batches on their way through the layers, and what a killed run goes on
// from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "tersor/modeling/model.h"
#include "tersor/pipelines/calibration_batches.h"
#include "tersor/pipelines/hidden_file.h"

namespace tersor {

// Not thread-safe. The model must outlive it.
class CalibrationStreams {
 public:
  // `budget`: bytes of activations in memory; the rest goes to a temporary file. `folder`: where the hidden
  // states that finished layers leave are kept.
  CalibrationStreams(const Model& model, std::vector<Batch> batches, uint64_t budget,
                     const std::filesystem::path& folder);

  size_t batches() const { return batches_.size(); }
  uint64_t tokens() const;
  size_t longest_sample() const;

  // Every batch before the first layer.
  void embed();
  LayerState get(size_t batch) const { return store_.get(batch); }
  void put(size_t batch, LayerState state) { store_.put(batch, std::move(state)); }

  // Keeps the hidden states that layer `layer` left; returns a hash of them. Those of the layer before stay
  // as they are: one of the two is whole whenever a run is killed.
  uint64_t save(size_t layer) const;
  // Goes on with those that `layer` left, if they are there and have that hash.
  bool load(size_t layer, uint64_t hash);

 private:
  LayerState fresh_state(size_t batch) const;

  const Model& model_;
  const std::vector<Batch> batches_;
  std::vector<size_t> rows_;  // of each batch
  StateStore store_;
  HiddenFile hidden_;
};

}  // namespace tersor
