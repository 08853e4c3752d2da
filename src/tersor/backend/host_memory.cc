#include "tersor/backend/host_memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tersor/base/checked_math.h"
#include "tersor/base/error.h"

namespace tersor {

// A cache line, and the widest vector.
constexpr size_t kAlignment = 64;

class BlockCache {
 public:
  ~BlockCache() {
    for (const auto& [bytes, blocks] : free_) {
      for (std::byte* block : blocks) std::free(block);
    }
  }

  // Null when there is no memory.
  std::byte* take(size_t bytes) {
    std::vector<std::byte*>& blocks = free_[bytes];
    if (blocks.empty()) return static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes));
    std::byte* block = blocks.back();
    blocks.pop_back();
    kept_ -= bytes;
    return block;
  }

  void give_back(std::byte* block, size_t bytes) {
    if (bytes < kSmallest || kept_ + bytes > kMost) {
      std::free(block);
      return;
    }
    free_[bytes].push_back(block);
    kept_ += bytes;
  }

 private:
  static constexpr size_t kSmallest = size_t{1} << 16;  // malloc itself keeps smaller ones
  static constexpr size_t kMost = size_t{1} << 26;      // 64 MiB, the activations of a thousand tokens

  std::map<size_t, std::vector<std::byte*>> free_;
  size_t kept_ = 0;
};

HostMemoryBackend::HostMemoryBackend() : cache_(std::make_shared<BlockCache>()) {}

void require_shapes(bool fit, const char* what) {
  if (!fit) throw std::logic_error(std::string("backend: ") + what);
}

DeviceTensor HostMemoryBackend::allocate(DType dtype, size_t rows, size_t cols) {
  const auto elements = checked_mul(rows, cols);
  const auto bytes = elements ? checked_mul(*elements, dtype_size(dtype)) : std::nullopt;
  const size_t block = bytes && *bytes < SIZE_MAX - kAlignment ? round_up(*bytes + 1, kAlignment) : 0;
  std::byte* address = block > 0 ? cache_->take(block) : nullptr;
  if (address == nullptr) {
    throw runtime_error(
        "out of memory for a tensor of " + std::to_string(rows) + " × " + std::to_string(cols) + " elements",
        "use shorter sequences or smaller batches");
  }
  DeviceTensor tensor;
  tensor.buffer = std::make_shared<DeviceBuffer>(
      address, *bytes, [cache = cache_, block](std::byte* p, size_t) { cache->give_back(p, block); });
  tensor.dtype = dtype;
  tensor.rows = rows;
  tensor.cols = cols;
  return tensor;
}

void HostMemoryBackend::copy_in(const DeviceTensor& to, const void* from) {
  if (to.bytes() > 0) std::memcpy(to.data<std::byte>(), from, to.bytes());
}

void HostMemoryBackend::copy_out(const DeviceTensor& from, void* to) {
  if (from.bytes() > 0) std::memcpy(to, from.data<std::byte>(), from.bytes());
}

void HostMemoryBackend::copy_block(const DeviceTensor& from, size_t from_row, size_t from_col, size_t rows,
                                   size_t cols, const DeviceTensor& to, size_t to_row, size_t to_col) {
  require_shapes(from.dtype == to.dtype && from_row + rows <= from.rows && from_col + cols <= from.cols &&
                     to_row + rows <= to.rows && to_col + cols <= to.cols,
                 "copy_block");
  const size_t element = dtype_size(from.dtype);
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(to.data<std::byte>() + ((to_row + r) * to.cols + to_col) * element,
                from.data<std::byte>() + ((from_row + r) * from.cols + from_col) * element, cols * element);
  }
}

void HostMemoryBackend::fill_zero(const DeviceTensor& to) {
  if (to.bytes() > 0) std::memset(to.data<std::byte>(), 0, to.bytes());
}

}  // namespace tersor
