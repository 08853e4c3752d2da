#include "tersor/modeling/hidden_store.h"

namespace tersor {

HiddenStore::HiddenStore(Backend& backend, std::vector<size_t> rows, size_t cols, uint64_t budget)
    : backend_(&backend), rows_(std::move(rows)), cols_(cols), offsets_(rows_.size()) {
  uint64_t offset = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const uint64_t bytes = uint64_t{rows_[i]} * cols_ * sizeof(float);
    if (kept_.size() == i && bytes <= budget - memory_) {
      kept_.emplace_back();
      memory_ += bytes;
    } else {
      offsets_[i] = offset;
      offset += bytes;
    }
  }
  if (kept_.size() < rows_.size()) file_ = open_temporary_file();
}

DeviceTensor HiddenStore::get(size_t i) const {
  if (i < kept_.size()) return kept_[i];
  std::vector<float> values(rows_[i] * cols_);
  file_->read_at(offsets_[i], std::as_writable_bytes(std::span(values)));
  DeviceTensor hidden = backend_->allocate(DType::kF32, rows_[i], cols_);
  backend_->copy_in(hidden, values.data());
  return hidden;
}

void HiddenStore::put(size_t i, const DeviceTensor& hidden) {
  if (i < kept_.size()) {
    kept_[i] = hidden;
    return;
  }
  std::vector<float> values(rows_[i] * cols_);
  backend_->copy_out(hidden, values.data());
  file_->write_at(offsets_[i], std::as_bytes(std::span(values)));
}

}  // namespace tersor
