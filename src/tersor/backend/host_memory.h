// Memory for back ends whose device is the CPU: aligned, copied with memcpy.
#pragma once

#include "tersor/backend/backend.h"

namespace tersor {

// Freed blocks, kept for the next tensor of the same size: a forward asks for the same sizes again and again,
// and fresh pages from the kernel cost more than many of its loops.
class BlockCache;

// The memory part of Backend, for devices that share the program's address space.
class HostMemoryBackend : public Backend {
 public:
  HostMemoryBackend();
  DeviceTensor allocate(DType dtype, size_t rows, size_t cols) override;
  void copy_in(const DeviceTensor& to, const void* from) override;
  void copy_out(const DeviceTensor& from, void* to) override;
  void copy_block(const DeviceTensor& from, size_t from_row, size_t from_col, size_t rows, size_t cols,
                  const DeviceTensor& to, size_t to_row, size_t to_col) override;
  void fill_zero(const DeviceTensor& to) override;

 private:
  std::shared_ptr<BlockCache> cache_;  // tensors may outlive the back end
};

// Throws std::logic_error("backend: <what>") when the caller's shapes do not fit.
void require_shapes(bool fit, const char* what);

}  // namespace tersor
