// The data-free pipeline: reads each weight once (twice where one scale spans it), rounds it, writes it at
// its planned place. Memory is set by a few row blocks per thread, never by the model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tersor/io/output_folder.h"
#include "tersor/pipelines/compression_plan.h"
#include "tersor/pipelines/journal.h"

namespace tersor {

struct Progress {
  // kCheck: pieces of an earlier run are read back. kCalibrate: `done` and `total` count million operations,
  // else source bytes of finished pieces; both with those of earlier runs.
  enum class Phase { kCheck, kCompress, kCalibrate, kFinish };
  Phase phase = Phase::kCompress;
  uint64_t done = 0;
  uint64_t total = 0;
  uint64_t resumed = 0;  // of `done`: finished by earlier runs
  double seconds = 0;    // since this run began with the phase
  // Of kCalibrate:
  std::string at = {};                           // "layer 3 of 30, attention output"
  std::optional<double> seconds_left = {};       // predicted, as soon as there is a rate
  std::optional<double> tokens_per_second = {};  // that go through the whole model, on average so far
};

struct RunOptions {
  size_t threads = 0;  // 0: one per CPU
  bool overwrite = false;
  // Called from worker threads, one at a time, at most every `progress_interval` seconds; may be empty.
  std::function<void(const Progress&)> progress;
  double progress_interval = 0.1;
};

struct RunSummary {
  std::vector<PieceStatistics> modules;  // one per module of the inventory
  uint64_t resumed_bytes = 0;            // source bytes that an earlier run had finished
  double seconds = 0;
};

// Carries out the plan and commits the output folder. Goes on where an earlier run of the same plan stopped;
// an unfinished run of another plan is an Error(kUsage), unless `overwrite`. Throws Error(kInput) for weights
// that are not finite and for a source that changes meanwhile, Error(kRuntime) when the disk is full or
// fails; the staging folder then keeps what is finished.
RunSummary run_data_free(const Checkpoint& checkpoint, const CompressionPlan& plan, OutputFolder& output,
                         const RunOptions& options);

}  // namespace tersor
