#include "tersor/pipelines/state_store.h"

#include <utility>

#include "tersor/modeling/stage_activations.h"

namespace tersor {
namespace {

// All its tensors: what the router said is small, and kept as it is.
std::vector<DeviceTensor*> tensors_of(LayerState& s) {
  std::vector<DeviceTensor*> tensors = all_activations(s);
  for (LayerState::ExpertRows& rows : s.routed) {
    for (DeviceTensor* t : {&rows.row_ids, &rows.weights}) tensors.push_back(t);
  }
  return tensors;
}

}  // namespace

StateStore::StateStore(Backend& backend, size_t batches, uint64_t budget, DType dtype,
                       std::filesystem::path folder)
    : backend_(&backend), budget_(budget), dtype_(dtype), folder_(std::move(folder)), slots_(batches) {}

LayerState StateStore::get(size_t i) const {
  const Slot& slot = slots_[i];
  LayerState state = slot.state;
  if (slot.in_file) {
    uint64_t offset = slot.offset;
    std::vector<std::byte> bytes;
    const std::vector<DeviceTensor*> tensors = tensors_of(state);
    for (size_t t = 0; t < tensors.size(); ++t) {
      const auto& [dtype, shape] = slot.shapes[t];
      if (shape.first * shape.second == 0) continue;
      *tensors[t] = backend_->allocate(dtype, shape.first, shape.second);
      bytes.resize(tensors[t]->bytes());
      file_->read_at(offset, bytes);
      backend_->copy_in(*tensors[t], bytes.data());
      offset += bytes.size();
    }
  }
  return state;
}

void StateStore::put(size_t i, LayerState state) {
  Slot& slot = slots_[i];
  if (!slot.in_file) memory_ -= slot.bytes;
  slot.state = {};
  for (DeviceTensor* t : all_activations(state)) {
    if (*t) *t = in_dtype(*backend_, *t, dtype_);  // those that shared memory have their own then
  }
  uint64_t bytes = 0;
  for (const DeviceTensor* t : tensors_of(state)) bytes += *t ? t->bytes() : 0;
  slot.bytes = bytes;
  slot.in_file = memory_ + bytes > budget_;
  if (!slot.in_file) {
    memory_ += bytes;
    slot.state = std::move(state);
    return;
  }
  if (!file_) file_ = open_temporary_file(folder_);
  if (bytes > slot.capacity) {  // its old place is too small: a new one at the end
    slot.offset = spilled_;
    slot.capacity = bytes;
    spilled_ += bytes;
  }
  slot.shapes.clear();
  uint64_t offset = slot.offset;
  std::vector<std::byte> buffer;
  for (DeviceTensor* t : tensors_of(state)) {
    slot.shapes.push_back({t->dtype, {*t ? t->rows : 0, *t ? t->cols : 0}});
    if (!*t) continue;
    buffer.resize(t->bytes());
    backend_->copy_out(*t, buffer.data());
    file_->write_at(offset, buffer);
    offset += buffer.size();
    *t = {};
  }
  slot.state = std::move(state);
}

}  // namespace tersor
