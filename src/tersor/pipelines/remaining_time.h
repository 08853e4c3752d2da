// How long a calibrated run still takes: its plan's operations by the rates at which it has done others.
//
// Each kind of work has a rate of its own, since no machine does all at one speed; what belongs to no kind
// (loading, saving) is counted per layer. Layers far back count less, because machines change their speed.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "tersor/pipelines/calibration_cost.h"

namespace tersor {

class RemainingTime {
 public:
  // `costs`: of layers and head; those before `first` are done already.
  RemainingTime(const std::vector<LayerCost>& costs, size_t first);

  // Work of one kind is done.
  void spend(WorkKind kind, double operations, double seconds);
  // A layer is done; `overhead`: its seconds that were not spent on any kind.
  void end_layer(double overhead);

  // Null before anything is measured. Kinds that nobody measured yet go at the rate of all others.
  std::optional<double> seconds_left() const;
  double operations_done() const { return done_; }
  double operations() const { return all_; }

 private:
  struct Measured {
    double operations = 0, seconds = 0;
  };
  std::array<double, kWorkKinds> left_{};
  std::array<Measured, kWorkKinds> measured_{};
  double layers_left_ = 0, layers_measured_ = 0, overhead_ = 0;
  double done_ = 0, all_ = 0;
};

}  // namespace tersor
