// Views of memory that somebody else owns: what kernels take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "tersor/base/float_types.h"
#include "tersor/tensor/dtype.h"

namespace tersor {

// rows × cols elements, row-major; row r starts at data + r * stride.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data_, size_t rows_, size_t cols_) : MatrixView(data_, rows_, cols_, cols_) {}
  MatrixView(T* data_, size_t rows_, size_t cols_, size_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}
  // A mutable view reads as a const one.
  template <typename U>
    requires(std::is_same_v<const U, T>)
  MatrixView(const MatrixView<U>& other)  // NOLINT(google-explicit-constructor)
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}

  std::span<T> row(size_t r) const { return {data + r * stride, cols}; }
  MatrixView sub_rows(size_t begin, size_t count) const {
    return {data + begin * stride, count, cols, stride};
  }
};

// Weight elements whose type is known only at run time: bf16, f16 or f32, row-major, contiguous.
struct WeightView {
  const std::byte* data = nullptr;
  DType dtype = DType::kBF16;
  size_t rows = 0;
  size_t cols = 0;

  WeightView sub_rows(size_t begin, size_t count) const {
    return {data + begin * cols * dtype_size(dtype), dtype, count, cols};
  }
};

// Calls f(MatrixView<const T>) with T = BFloat16, Float16 or float. The one place where a run-time dtype
// becomes a template parameter. REQUIRES: is_weight_dtype(w.dtype).
template <typename F>
decltype(auto) visit_weight(const WeightView& w, F&& f) {
  auto view = [&]<typename T>(std::type_identity<T>) {
    return MatrixView<const T>(reinterpret_cast<const T*>(w.data), w.rows, w.cols);
  };
  if (w.dtype == DType::kBF16) return f(view(std::type_identity<BFloat16>{}));
  if (w.dtype == DType::kF16) return f(view(std::type_identity<Float16>{}));
  return f(view(std::type_identity<float>{}));
}

}  // namespace tersor
