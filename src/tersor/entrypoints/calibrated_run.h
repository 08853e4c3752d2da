// A compression that runs the model on data: reads the data, opens the model, runs the sequential pipeline.
// Internal.
#pragma once

#include <functional>

#include "tersor/entrypoints/oneshot.h"
#include "tersor/entrypoints/session.h"
#include "tersor/pipelines/sequential.h"

namespace tersor {

// Everything that a calibrated run is determined by, ready to start.
class CalibratedRun {
 public:
  // Reads and tokenizes the data, and adds to the plan's fingerprint what the result's bytes depend on: data,
  // options, back end, threads. Throws as load_calibration() and Model do.
  CalibratedRun(Session& session, const CompressionRequest& request);

  // `layer_done`: called after each layer, with what is known so far; report() is up to date in it.
  using LayerDone = std::function<void(const RunSummary& so_far, size_t layers_done)>;
  RunSummary run(OutputFolder& output, const RunOptions& options, const LayerDone& layer_done);
  // After run(), and while it calls layer_done().
  const CalibrationReport& report() const { return report_; }
  // Before and after it.
  const std::vector<std::string>& notes() const { return report_.notes; }

 private:
  void fit_memory(uint64_t budget, uint64_t tokens);
  void note(const CalibrationSummary& done);

  const Session& session_;
  CalibrationOptions options_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
  CalibrationReport report_;
  size_t first_notes_ = 0;  // that were there before the run
};

}  // namespace tersor
