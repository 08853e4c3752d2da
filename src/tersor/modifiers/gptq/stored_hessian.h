// A Hessian while linears are solved: in memory, or in a file where its factor is to take its place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/io/file.h"

namespace tersor {

// The same elements from both: what is made of them does not depend on where they are. Not thread-safe.
class StoredHessian {
 public:
  // `matrix` [n, n] f32, symmetric. Implicit: a matrix in memory is one.
  StoredHessian(DeviceTensor matrix) : matrix_(std::move(matrix)), size_(matrix_.rows) {}

  // Moves it to a temporary file in `folder`; its memory is free when nobody else holds the matrix.
  void spill(Backend& backend, const std::filesystem::path& folder);

  size_t size() const { return size_; }
  std::vector<float> diagonal(Backend& backend) const;
  // Rows [begin, begin + count); not to be changed.
  DeviceTensor rows(Backend& backend, size_t begin, size_t count) const;
  // Rows in any order.
  DeviceTensor rows(Backend& backend, std::span<const int32_t> ids) const;

 private:
  DeviceTensor matrix_;  // empty: in the file
  size_t size_;
  std::optional<File> file_;
  std::vector<float> diagonal_;  // of what is in the file
};

}  // namespace tersor
