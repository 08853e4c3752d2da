// The activations of all calibration batches between two stages of a layer: as many as a budget allows in
// memory, the others in a temporary file.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tersor/io/file.h"
#include "tersor/modeling/layer_forward.h"

namespace tersor {

// Not thread-safe. The back end must outlive it.
class StateStore {
 public:
  // `budget`: bytes of memory that the tensors of all batches may take together.
  StateStore(Backend& backend, size_t batches, uint64_t budget);

  size_t size() const { return slots_.size(); }
  // Batch i as it was last put, bit for bit.
  LayerState get(size_t i) const;
  void put(size_t i, LayerState state);

  uint64_t memory() const { return memory_; }    // of what is kept in memory
  uint64_t spilled() const { return spilled_; }  // bytes of the file

 private:
  struct Slot {
    LayerState state;  // spilled: with its tensors' shapes, but without their memory
    std::vector<std::pair<DType, std::pair<size_t, size_t>>> shapes;
    bool in_file = false;
    uint64_t offset = 0, capacity = 0;  // its place in the file
    uint64_t bytes = 0;
  };

  Backend* backend_;
  uint64_t budget_, memory_ = 0, spilled_ = 0;
  std::vector<Slot> slots_;
  std::optional<File> file_;
};

// Every tensor that a state holds, in a fixed order; absent ones are empty.
std::vector<DeviceTensor*> tensors_of(LayerState& state);

}  // namespace tersor
