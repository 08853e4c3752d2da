#include "tersor/pipelines/calibration_clock.h"

namespace tersor {
namespace {

constexpr const char* kPhases[] = {
    "copies and rounding", "loading", "statistics", "solving", "forward", "check", "saving"};

uint64_t mega(double operations) { return static_cast<uint64_t>(operations / 1e6); }

const char* phase_of(WorkKind kind) {
  return kind == WorkKind::kForward ? "forward" : kind == WorkKind::kStatistics ? "statistics" : "solving";
}

}  // namespace

std::vector<std::pair<std::string, double>> CalibrationClock::seconds() const {
  std::vector<std::pair<std::string, double>> seconds;
  for (const char* phase : kPhases) {
    if (const auto found = seconds_.find(phase); found != seconds_.end())
      seconds.emplace_back(phase, found->second);
  }
  return seconds;
}

void CalibrationClock::begin(size_t first) {
  remaining_.emplace(costs_, first);
  meter_.enter(Progress::Phase::kCalibrate, mega(remaining_->operations_done()),
               mega(remaining_->operations()));
  begun_ = Clock::now();
  resumed_ = remaining_->operations_done();
}

void CalibrationClock::begin_layer() {
  layer_begun_ = Clock::now();
  spent_ = seconds_;
  worked_ = 0;
}

void CalibrationClock::spend(WorkKind kind, double operations) {
  const char* phase = phase_of(kind);
  const double seconds = seconds_[phase] - spent_[phase];
  spent_[phase] = seconds_[phase];
  worked_ += seconds;
  remaining_->spend(kind, operations, seconds);
  tell();
}

void CalibrationClock::end_layer() {
  remaining_->end_layer(seconds_since(layer_begun_) - worked_);
  tell();
}

void CalibrationClock::tell() {
  const double share = (remaining_->operations_done() - resumed_) / remaining_->operations();
  const double seconds = seconds_since(begun_);
  meter_.advance(mega(remaining_->operations_done()), remaining_->seconds_left(),
                 seconds > 0 ? std::optional(static_cast<double>(tokens_) * share / seconds) : std::nullopt);
}

}  // namespace tersor
