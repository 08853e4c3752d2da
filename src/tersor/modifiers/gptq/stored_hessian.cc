#include "tersor/modifiers/gptq/stored_hessian.h"

#include <algorithm>

namespace tersor {
namespace {

constexpr size_t kRowsAtATime = 256;

}  // namespace

void StoredHessian::spill(Backend& backend, const std::filesystem::path& folder) {
  if (file_) return;
  diagonal_ = diagonal(backend);
  File file = open_temporary_file(folder);
  std::vector<float> buffer;
  for (size_t begin = 0; begin < size_; begin += kRowsAtATime) {
    const DeviceTensor some = matrix_.sub_rows(begin, std::min(kRowsAtATime, size_ - begin));
    buffer.resize(some.size());
    backend.copy_out(some, buffer.data());
    file.write_at(begin * size_ * sizeof(float), std::as_bytes(std::span(buffer)));
  }
  file_ = std::move(file);
  matrix_ = {};
}

std::vector<float> StoredHessian::diagonal(Backend& backend) const {
  if (file_) return diagonal_;
  const DeviceTensor device = backend.allocate(DType::kF32, 1, size_);
  backend.get_diagonal(matrix_, device);
  std::vector<float> diagonal(size_);
  backend.copy_out(device, diagonal.data());
  return diagonal;
}

DeviceTensor StoredHessian::rows(Backend& backend, size_t begin, size_t count) const {
  if (!file_) return matrix_.sub_rows(begin, count);
  std::vector<float> buffer(count * size_);
  file_->read_at(begin * size_ * sizeof(float), std::as_writable_bytes(std::span(buffer)));
  const DeviceTensor rows = backend.allocate(DType::kF32, count, size_);
  backend.copy_in(rows, buffer.data());
  return rows;
}

DeviceTensor StoredHessian::rows(Backend& backend, std::span<const int32_t> ids) const {
  const DeviceTensor rows = backend.allocate(DType::kF32, ids.size(), size_);
  if (!file_) {
    const DeviceTensor device_ids = backend.allocate(DType::kI32, 1, ids.size());
    backend.copy_in(device_ids, ids.data());
    backend.gather_rows(matrix_, device_ids, rows);
    return rows;
  }
  std::vector<float> buffer(rows.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    file_->read_at(static_cast<uint64_t>(ids[i]) * size_ * sizeof(float),
                   std::as_writable_bytes(std::span(buffer).subspan(i * size_, size_)));
  }
  backend.copy_in(rows, buffer.data());
  return rows;
}

}  // namespace tersor
