#include "tersor/pipelines/remaining_time.h"

#include <algorithm>

namespace tersor {
namespace {

// What is known of a layer counts so much after the next one.
constexpr double kKept = 0.8;

}  // namespace

RemainingTime::RemainingTime(const std::vector<LayerCost>& costs, size_t first) {
  for (size_t l = 0; l < costs.size(); ++l) {
    const WorkCost cost = costs[l].sum();
    all_ += cost.total();
    if (l < first) {
      done_ += cost.total();
      continue;
    }
    for (size_t k = 0; k < kWorkKinds; ++k) left_[k] += cost.of(static_cast<WorkKind>(k));
  }
  layers_left_ =
      static_cast<double>(costs.size() - 1) - static_cast<double>(std::min(first, costs.size() - 1));
}

void RemainingTime::spend(WorkKind kind, double operations, double seconds) {
  const auto k = static_cast<size_t>(kind);
  left_[k] = std::max(0.0, left_[k] - operations);
  done_ += operations;
  measured_[k].operations += operations;
  measured_[k].seconds += seconds;
}

void RemainingTime::end_layer(double overhead) {
  layers_left_ = std::max(0.0, layers_left_ - 1);
  overhead_ = overhead_ * kKept + overhead;
  layers_measured_ = layers_measured_ * kKept + 1;
  for (Measured& m : measured_) {
    m.operations *= kKept;
    m.seconds *= kKept;
  }
}

std::optional<double> RemainingTime::seconds_left() const {
  Measured all;
  for (const Measured& m : measured_) {
    all.operations += m.operations;
    all.seconds += m.seconds;
  }
  if (all.operations <= 0 || all.seconds <= 0) return std::nullopt;
  double seconds = 0;
  for (size_t k = 0; k < kWorkKinds; ++k) {
    const Measured& m = measured_[k].operations > 0 ? measured_[k] : all;
    seconds += left_[k] * m.seconds / m.operations;
  }
  if (layers_measured_ > 0) seconds += layers_left_ * overhead_ / layers_measured_;
  return seconds;
}

}  // namespace tersor
