#include "tersor/pipelines/calibration_streams.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace tersor {

CalibrationStreams::CalibrationStreams(const Model& model, std::vector<Batch> batches, bool source,
                                       uint64_t budget, const std::filesystem::path& folder)
    : model_(model), batches_(std::move(batches)), hidden_(folder) {
  const size_t streams = source ? 2 : 1;
  for (size_t s = 0; s < streams; ++s) {
    stores_.emplace_back(model.backend(), batches_.size(), budget / streams);
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

uint64_t CalibrationStreams::save(size_t layer) const {
  return hidden_.save(layer, model_.backend(), stores_);
}

bool CalibrationStreams::load(size_t layer, uint64_t hash) {
  const size_t hidden = model_.config().hidden;
  if (!hidden_.holds(layer, hash, rows_, hidden)) return false;
  for (StateStore& store : stores_) {
    for (size_t i = 0; i < batches_.size(); ++i) store.put(i, fresh_state(i));
  }
  hidden_.load(layer, model_.backend(), rows_, hidden, stores_);
  return true;
}

}  // namespace tersor
