// The activations of all calibration batches between two stages of a layer: as many as a budget allows in
// memory, the others in a temporary file beside the output: folders for temporary files are often memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "tersor/io/file.h"
#include "tersor/modeling/layer_forward.h"

namespace tersor {

// Not thread-safe. The back end must outlive it.
class StateStore {
 public:
  // `budget`: bytes of memory that the tensors of all batches may take together. `dtype`: what activations
  // are kept in, F32 or BF16, in memory and in the file alike: what comes back does not depend on the budget.
  // `folder`: of the file.
  StateStore(Backend& backend, size_t batches, uint64_t budget, DType dtype, std::filesystem::path folder);

  size_t size() const { return slots_.size(); }
  // Batch i as it was last put, its activations in `dtype`: a stage wants what it reads widened first. In
  // memory they are shared with the store.
  LayerState get(size_t i) const;
  void put(size_t i, LayerState state);

  uint64_t memory() const { return memory_; }    // of what is kept in memory
  uint64_t spilled() const { return spilled_; }  // bytes of the file

 private:
  struct Slot {
    LayerState state;  // tensors as they are kept; spilled: without any
    std::vector<std::pair<DType, std::pair<size_t, size_t>>> shapes;
    bool in_file = false;
    uint64_t offset = 0, capacity = 0;  // its place in the file
    uint64_t bytes = 0;
  };

  Backend* backend_;
  uint64_t budget_, memory_ = 0, spilled_ = 0;
  DType dtype_;
  std::filesystem::path folder_;
  std::vector<Slot> slots_;
  std::optional<File> file_;
};

}  // namespace tersor
