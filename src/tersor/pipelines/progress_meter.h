// Counts what is finished and tells the caller a few times a second.
#pragma once

#include <mutex>
#include <optional>

#include "tersor/base/clock.h"
#include "tersor/pipelines/data_free.h"

namespace tersor {

// Thread-safe.
class ProgressMeter {
 public:
  ProgressMeter(const RunOptions& options, uint64_t total)
      : report_(options.progress), interval_(options.progress_interval), start_(Clock::now()) {
    state_.total = total;
  }

  void enter(Progress::Phase phase) {
    const std::lock_guard lock(mutex_);
    state_.phase = phase;
    if (phase == Progress::Phase::kCompress) {
      state_.resumed = state_.done;
      start_ = Clock::now();
    }
    tell();
  }

  // Begins a phase that counts from `done` to `total`.
  void enter(Progress::Phase phase, uint64_t done, uint64_t total) {
    const std::lock_guard lock(mutex_);
    resumed_bytes_ = state_.resumed;
    state_.phase = phase;
    state_.done = state_.resumed = done;
    state_.total = total;
    state_.at.clear();
    state_.seconds_left.reset();
    state_.tokens_per_second.reset();
    start_ = Clock::now();
    tell();
  }

  // What is worked on now.
  void at(std::string place) {
    const std::lock_guard lock(mutex_);
    state_.at = std::move(place);
    tell();
  }

  // Of kCalibrate: work is done, and what it tells of the rest.
  void advance(uint64_t done, std::optional<double> seconds_left, std::optional<double> tokens_per_second) {
    const std::lock_guard lock(mutex_);
    state_.done = done;
    state_.seconds_left = seconds_left;
    state_.tokens_per_second = tokens_per_second;
    tell();
  }

  void add(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    state_.done += bytes;
    if (seconds_since(told_) >= interval_) tell();
  }

  // Source bytes that earlier runs had finished.
  uint64_t resumed() const { return resumed_bytes_ ? *resumed_bytes_ : state_.resumed; }

 private:
  void tell() {
    told_ = Clock::now();
    state_.seconds = seconds_since(start_);
    if (report_) report_(state_);
  }

  const std::function<void(const Progress&)>& report_;
  const double interval_;
  Progress state_;
  std::optional<uint64_t> resumed_bytes_;
  Clock::time_point start_, told_;
  std::mutex mutex_;
};

}  // namespace tersor
