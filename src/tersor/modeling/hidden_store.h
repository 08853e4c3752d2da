// The hidden states of many windows between two layers: as many as a budget allows in memory, the others in a
// temporary file.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/io/file.h"

namespace tersor {

class HiddenStore {
 public:
  // One f32 tensor [rows[i], cols] per window. `budget`: bytes of memory that they may take.
  HiddenStore(Backend& backend, std::vector<size_t> rows, size_t cols, uint64_t budget);

  size_t size() const { return rows_.size(); }
  size_t rows(size_t i) const { return rows_[i]; }
  uint64_t memory() const { return memory_; }
  // Window i as it was last put. A caller that changes it puts it back.
  DeviceTensor get(size_t i) const;
  void put(size_t i, const DeviceTensor& hidden);

 private:
  Backend* backend_;
  std::vector<size_t> rows_;
  size_t cols_;
  std::vector<DeviceTensor> kept_;  // the first windows
  std::vector<uint64_t> offsets_;   // of the others, in the file
  std::optional<File> file_;
  uint64_t memory_ = 0;
};

}  // namespace tersor
