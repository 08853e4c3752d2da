#include "tersor/pipelines/calibration_batches.h"

#include <algorithm>

namespace tersor {

std::vector<Batch> make_batches(const std::vector<std::vector<int32_t>>& samples, size_t batch_tokens) {
  std::vector<Batch> batches;
  for (const std::vector<int32_t>& sample : samples) {
    if (sample.empty()) continue;
    if (batches.empty() || batches.back().ids.size() + sample.size() > batch_tokens) batches.emplace_back();
    Batch& batch = batches.back();
    batch.sequences.push_back({.begin = batch.ids.size(), .rows = sample.size()});
    batch.ids.insert(batch.ids.end(), sample.begin(), sample.end());
  }
  return batches;
}

std::vector<size_t> sequence_rows(const LayerState& state, int expert) {
  std::vector<size_t> rows;
  const LayerState::ExpertRows* routed = nullptr;
  for (const auto& r : state.routed) {
    if (expert >= 0 && r.expert == static_cast<size_t>(expert)) routed = &r;
  }
  for (const SequenceSpan& span : state.sequences) {
    if (routed == nullptr) {
      rows.push_back(span.rows);
      continue;
    }
    rows.push_back(static_cast<size_t>(std::ranges::count_if(routed->rows, [&](int32_t row) {
      const auto r = static_cast<size_t>(row);
      return r >= span.begin && r < span.begin + span.rows;
    })));
  }
  return rows;
}

}  // namespace tersor
