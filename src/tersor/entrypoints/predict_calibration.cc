#include "tersor/entrypoints/predict_calibration.h"

#include <algorithm>

#include "tersor/base/clock.h"
#include "tersor/entrypoints/calibration_options.h"
#include "tersor/entrypoints/runtime.h"
#include "tersor/modeling/read_model_config.h"
#include "tersor/pipelines/calibration_cost.h"
#include "tersor/pipelines/calibration_memory.h"

namespace tersor {
namespace {

// Operations per second of a product of this back end.
double product_rate(Backend& backend) {
  constexpr size_t kRows = 512, kSide = 1024;
  constexpr int kRounds = 3;  // the first makes the kernel
  const DeviceTensor x = backend.allocate(DType::kF32, kRows, kSide),
                     y = backend.allocate(DType::kF32, kRows, kSide);
  const DeviceTensor w = backend.allocate(DType::kF32, kSide, kSide);
  backend.fill_zero(x);
  backend.fill_zero(w);
  const auto packed = backend.pack(w);
  double rate = 0;
  for (int i = 0; i < kRounds; ++i) {
    const Clock::time_point start = Clock::now();
    backend.matmul(x, *packed, {}, y);
    rate = std::max(rate, 2.0 * kRows * kSide * kSide / std::max(1e-6, seconds_since(start)));
  }
  return rate;
}

}  // namespace

CalibrationPrediction predict_calibration(const Session& session) {
  const CalibrationSettings& s = session.calibration;
  const ModelConfig model =
      read_model_config(session.checkpoint.config, (session.checkpoint.folder / "config.json").string());
  const auto backend = make_backend(s.dtype, session.threads);
  CalibrationPrediction p;
  p.reasons = session.plan.calibration->reasons;
  p.tokens = s.samples * s.max_seq_length;
  const CalibrationOptions options = calibration_options(s);
  for (const LayerCost& layer : calibration_cost(session.plan, model,
                                                 {.tokens = static_cast<double>(p.tokens),
                                                  .sample_tokens = static_cast<double>(s.max_seq_length),
                                                  .forward_passes = options.forward_passes(),
                                                  .all_experts = options.all_experts})) {
    const WorkCost cost = layer.sum();
    p.forward_operations += cost.forward;
    p.statistics_operations += cost.statistics;
    p.solve_operations += cost.solve;
  }
  p.seconds = (p.forward_operations + p.statistics_operations + p.solve_operations) / product_rate(*backend);
  CalibrationSizes sizes = calibration_sizes(options, *backend, p.tokens, s.max_seq_length);
  const CalibrationMemory memory = fit_to_budget(session.plan, model, s.max_memory, s.max_seq_length, sizes);
  p.layer_memory = memory.layer;
  p.hessian_memory = memory.hessians;
  p.solve_memory = memory.solve;
  p.batch_memory = memory.batch;
  p.state_memory = memory.states;
  p.memory = memory.total();
  if (s.max_memory > 0) p.memory = std::max(memory.least(), std::min(memory.total(), s.max_memory));
  // Hidden states of the last finished layer, twice, for a run that is killed; and what has no place in
  // memory.
  const uint64_t streams = session.plan.calibration->source_stream ? 2 : 1;
  p.disk = 2 * p.tokens * model.hidden * sizes.bytes_per_state * streams + memory.total() - p.memory +
           memory.hessian_file;
  return p;
}

}  // namespace tersor
