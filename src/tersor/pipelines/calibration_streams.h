// The activations of all calibration batches on their way through the layers, and what a killed run goes on
// from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "tersor/modeling/model.h"
#include "tersor/modeling/stage_activations.h"
#include "tersor/pipelines/calibration_batches.h"
#include "tersor/pipelines/hidden_file.h"

namespace tersor {

// What the model gives with the weights as they are quantized so far, and where `source` is asked for what it
// gives with those of the source.
enum class Stream { kQuantized, kSource };

// Not thread-safe. The model must outlive it.
class CalibrationStreams {
 public:
  // `budget`: bytes of activations in memory; the rest goes to a temporary file in `folder`, where the
  // hidden states that finished layers leave are kept too. `dtype`: what they all are kept in.
  CalibrationStreams(const Model& model, std::vector<Batch> batches, bool source, uint64_t budget,
                     DType dtype, const std::filesystem::path& folder);

  size_t batches() const { return batches_.size(); }
  uint64_t tokens() const;
  size_t longest_sample() const;

  // Every batch before the first layer.
  void embed();
  // A batch as it came into `layer`, on its way through it: embedded anew, or as the layer before left it. Of
  // the quantized stream.
  LayerState input(size_t layer, size_t batch) const;
  bool has_source() const { return stores_.size() > 1; }
  // Those activations that `reads` says are f32, the others as they wait.
  using Reads = std::function<Activations(LayerState&)>;
  LayerState get(size_t batch, const Reads& reads, Stream stream = Stream::kQuantized) const;
  void put(size_t batch, LayerState state, Stream stream = Stream::kQuantized) {
    stores_[static_cast<size_t>(stream)].put(batch, std::move(state));
  }

  // Keeps the hidden states that layer `layer` left; returns a hash of them. Those of the layer before stay
  // as they are: one of the two is whole whenever a run is killed.
  uint64_t save(size_t layer) const;
  // Goes on with those that `layer` left, if they are there and have that hash.
  bool load(size_t layer, uint64_t hash);

 private:
  LayerState fresh_state(size_t batch) const;
  DeviceTensor saved(size_t layer, size_t stream, size_t batch) const;

  const Model& model_;
  const std::vector<Batch> batches_;
  const DType dtype_;
  std::vector<size_t> rows_;        // of each batch, stream after stream
  std::vector<StateStore> stores_;  // by stream
  HiddenFile hidden_;
};

}  // namespace tersor
