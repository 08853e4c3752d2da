// The hidden states that a finished layer left, on disk: what a killed run goes on from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "tersor/pipelines/state_store.h"

namespace tersor {

// Two files in the staging folder, used in turn, so that one of them is whole whenever a run is killed.
class HiddenFile {
 public:
  // `dtype`: of the states in the file; that of the streams, so that nothing is rounded on the way.
  HiddenFile(std::filesystem::path folder, DType dtype) : folder_(std::move(folder)), dtype_(dtype) {}

  // Writes the hidden states of all batches as layer `layer` left them, one stream after the other. Returns a
  // hash of them.
  uint64_t save(size_t layer, Backend& backend, const std::vector<StateStore>& streams) const;
  // Whether the file of `layer` holds states of that hash, for batches (of all streams) of these rows.
  bool holds(size_t layer, uint64_t hash, const std::vector<size_t>& rows, size_t cols) const;
  // Rows [first_row, first_row + rows) of what `layer` left, in f32. REQUIRES: saved, or holds().
  DeviceTensor read(size_t layer, Backend& backend, size_t first_row, size_t rows, size_t cols) const;

 private:
  std::filesystem::path path(size_t layer) const;
  std::filesystem::path folder_;
  DType dtype_;
};

}  // namespace tersor
