// Tensors that live where a back end computes: an address that only that back end may follow.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "tersor/tensor/dtype.h"

namespace tersor {

// Memory of one allocation, freed with its last user. `address` is the back end's own.
class DeviceBuffer {
 public:
  DeviceBuffer(std::byte* address, size_t bytes, std::function<void(std::byte*, size_t)> release)
      : address_(address), bytes_(bytes), release_(std::move(release)) {}
  ~DeviceBuffer() { release_(address_, bytes_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  std::byte* address() const { return address_; }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* address_;
  size_t bytes_;
  std::function<void(std::byte*, size_t)> release_;
};

// A view [rows, cols], row-major and contiguous, of (a part of) a buffer that it keeps alive. Copying it
// copies the view, not the elements. A vector is [1, cols]; an empty tensor (no buffer) stands for "none".
struct DeviceTensor {
  std::shared_ptr<DeviceBuffer> buffer;
  size_t offset = 0;  // bytes
  DType dtype = DType::kF32;
  size_t rows = 0;
  size_t cols = 0;

  explicit operator bool() const { return buffer != nullptr; }
  size_t size() const { return rows * cols; }
  size_t bytes() const { return size() * dtype_size(dtype); }

  // Rows [begin, begin + count) of the same memory.
  DeviceTensor sub_rows(size_t begin, size_t count) const {
    DeviceTensor view = *this;
    view.offset += begin * cols * dtype_size(dtype);
    view.rows = count;
    return view;
  }
  // The same elements in other rows. REQUIRES: new_rows × new_cols = size().
  DeviceTensor reshaped(size_t new_rows, size_t new_cols) const {
    DeviceTensor view = *this;
    view.rows = new_rows;
    view.cols = new_cols;
    return view;
  }
  // For back ends only: anybody else's access may fault.
  template <typename T>
  T* data() const {
    return buffer == nullptr ? nullptr : reinterpret_cast<T*>(buffer->address() + offset);
  }
};

}  // namespace tersor
