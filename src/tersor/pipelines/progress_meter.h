// Counts what is finished and tells the caller a few times a second.
#pragma once

#include <mutex>

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

  void add(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    state_.done += bytes;
    if (seconds_since(told_) >= interval_) tell();
  }

  uint64_t resumed() const { return state_.resumed; }

 private:
  void tell() {
    told_ = Clock::now();
    state_.seconds = seconds_since(start_);
    if (report_) report_(state_);
  }

  const std::function<void(const Progress&)>& report_;
  const double interval_;
  Progress state_;
  Clock::time_point start_, told_;
  std::mutex mutex_;
};

}  // namespace tersor
