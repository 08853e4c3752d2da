#include "tersor/pipelines/calibration_streams.h"

#include <algorithm>
#include <numeric>

namespace tersor {

CalibrationStreams::CalibrationStreams(const Model& model, std::vector<Batch> batches, bool source,
                                       uint64_t budget, DType dtype, const std::filesystem::path& folder)
    : model_(model), batches_(std::move(batches)), dtype_(dtype), hidden_(folder, dtype) {
  const size_t streams = source ? 2 : 1;
  for (size_t s = 0; s < streams; ++s) {
    stores_.emplace_back(model.backend(), batches_.size(), budget / streams, dtype, folder);
    for (const Batch& batch : batches_) rows_.push_back(batch.ids.size());
  }
}

uint64_t CalibrationStreams::tokens() const {
  return std::transform_reduce(batches_.begin(), batches_.end(), uint64_t{0}, std::plus<>(),
                               [](const Batch& batch) { return batch.ids.size(); });
}

size_t CalibrationStreams::longest_sample() const {
  size_t longest = 0;
  for (const Batch& batch : batches_) {
    for (const SequenceSpan& span : batch.sequences) longest = std::max(longest, span.rows);
  }
  return longest;
}

LayerState CalibrationStreams::fresh_state(size_t batch) const {
  LayerState state;
  state.sequences = batches_[batch].sequences;
  return state;
}

void CalibrationStreams::embed() {
  for (size_t i = 0; i < batches_.size(); ++i) {
    const DeviceTensor hidden = model_.embed(batches_[i].ids);
    for (size_t s = 0; s < stores_.size(); ++s) {
      LayerState state = fresh_state(i);
      state.hidden = s == 0 ? hidden : copy_of(model_.backend(), hidden);
      stores_[s].put(i, std::move(state));
    }
  }
}

LayerState CalibrationStreams::get(size_t batch, const Reads& reads, Stream stream) const {
  LayerState state = stores_[static_cast<size_t>(stream)].get(batch);
  widen(model_.backend(), reads(state));
  return state;
}

LayerState CalibrationStreams::input(size_t layer, size_t batch) const {
  LayerState state = fresh_state(batch);
  if (layer > 0) {
    state.hidden = saved(layer - 1, 0, batch);
  } else {  // rounded as put() has it
    const DeviceTensor kept = in_dtype(model_.backend(), model_.embed(batches_[batch].ids), dtype_);
    state.hidden = in_dtype(model_.backend(), kept, DType::kF32);
  }
  return state;
}

DeviceTensor CalibrationStreams::saved(size_t layer, size_t stream, size_t batch) const {
  const auto place = rows_.begin() + static_cast<std::ptrdiff_t>(stream * batches_.size() + batch);
  const size_t first_row = std::accumulate(rows_.begin(), place, size_t{0});
  return hidden_.read(layer, model_.backend(), first_row, *place, model_.config().hidden);
}

uint64_t CalibrationStreams::save(size_t layer) const {
  return hidden_.save(layer, model_.backend(), stores_);
}

bool CalibrationStreams::load(size_t layer, uint64_t hash) {
  if (!hidden_.holds(layer, hash, rows_, model_.config().hidden)) return false;
  for (size_t s = 0; s < stores_.size(); ++s) {
    for (size_t i = 0; i < batches_.size(); ++i) {
      LayerState state = fresh_state(i);
      state.hidden = saved(layer, s, i);
      stores_[s].put(i, std::move(state));
    }
  }
  return true;
}

}  // namespace tersor
