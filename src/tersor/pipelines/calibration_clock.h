// What a calibrated run spends its time on, and what that tells the caller of the time that is left.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tersor/base/clock.h"
#include "tersor/pipelines/progress_meter.h"
#include "tersor/pipelines/remaining_time.h"

namespace tersor {

class CalibrationClock {
 public:
  // `tokens`: of all samples; `costs` as of calibration_cost().
  CalibrationClock(ProgressMeter& meter, uint64_t tokens, std::vector<LayerCost> costs)
      : meter_(meter), tokens_(tokens), costs_(std::move(costs)) {}

  // The phases are those of kPhases in the .cc file; f's seconds are counted under one of them.
  template <typename F>
  void time(const char* phase, F&& f) {
    const Clock::time_point start = Clock::now();
    f();
    seconds_[phase] += seconds_since(start);
  }
  // By phase, in the order of a layer.
  std::vector<std::pair<std::string, double>> seconds() const;

  // Calibration begins with layer `first`.
  void begin(size_t first);
  void begin_layer();
  const LayerCost& cost(size_t layer) const { return costs_[layer]; }
  // Operations of one kind are done, in the seconds of its phase since they were last looked at.
  void spend(WorkKind kind, double operations);
  void end_layer();

 private:
  void tell();

  ProgressMeter& meter_;
  const uint64_t tokens_;
  const std::vector<LayerCost> costs_;
  std::map<std::string, double> seconds_;
  std::map<std::string, double> spent_;  // those that RemainingTime knows
  std::optional<RemainingTime> remaining_;
  Clock::time_point begun_, layer_begun_;
  double resumed_ = 0;  // operations of earlier runs
  double worked_ = 0;   // seconds of the layer on one of the kinds of work
};

}  // namespace tersor
