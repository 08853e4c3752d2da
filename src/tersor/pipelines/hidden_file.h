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
  explicit HiddenFile(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Writes the hidden states of all batches as layer `layer` left them, one stream after the other. Returns a
  // hash of them.
  uint64_t save(size_t layer, Backend& backend, const std::vector<StateStore>& streams) const;
  // Whether the file of `layer` holds states of that hash, for batches (of all streams) of these rows.
  bool holds(size_t layer, uint64_t hash, const std::vector<size_t>& rows, size_t cols) const;
  // REQUIRES: holds().
  void load(size_t layer, Backend& backend, const std::vector<size_t>& rows, size_t cols,
            std::vector<StateStore>& streams) const;

 private:
  std::filesystem::path path(size_t layer) const;
  std::filesystem::path folder_;
};

}  // namespace tersor
