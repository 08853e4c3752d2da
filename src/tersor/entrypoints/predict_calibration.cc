#include "tersor/entrypoints/predict_calibration.h"

#include <algorithm>

#include "tersor/base/clock.h"
#include "tersor/entrypoints/runtime.h"
#include "tersor/modeling/read_model_config.h"
#include "tersor/pipelines/calibration_cost.h"
#include "tersor/pipelines/calibration_memory.h"
#include "tersor/pipelines/sequential.h"

namespace tersor {
namespace {

// Operations per second of a product of this back end, and the bytes that a weight takes in it.
struct Machine {
  double rate = 0;
  uint64_t bytes_per_weight = 4;
};

Machine measure(const Session& session) {
  constexpr size_t kRows = 512, kSide = 1024;
  constexpr int kRounds = 3;  // the first makes the kernel
  const auto backend = make_backend(session.calibration.dtype, session.threads);
  const DeviceTensor x = backend->allocate(DType::kF32, kRows, kSide),
                     y = backend->allocate(DType::kF32, kRows, kSide);
  const DeviceTensor w = backend->allocate(DType::kF32, kSide, kSide);
  backend->fill_zero(x);
  backend->fill_zero(w);
  const auto packed = backend->pack(w);
  Machine machine;
  for (int i = 0; i < kRounds; ++i) {
    const Clock::time_point start = Clock::now();
    backend->matmul(x, *packed, {}, y);
    machine.rate = std::max(machine.rate, 2.0 * kRows * kSide * kSide / std::max(1e-6, seconds_since(start)));
  }
  machine.bytes_per_weight = std::max<uint64_t>(2, packed->bytes / (kSide * kSide));
  return machine;
}

}  // namespace

CalibrationPrediction predict_calibration(const Session& session) {
  const CalibrationSettings& s = session.calibration;
  const ModelConfig model =
      read_model_config(session.checkpoint.config, (session.checkpoint.folder / "config.json").string());
  const Machine machine = measure(session);
  CalibrationPrediction p;
  p.reasons = session.plan.calibration->reasons;
  p.tokens = s.samples * s.max_seq_length;
  const bool twice = s.sequential_scope == "layer" && s.propagate_error;
  for (const LayerCost& layer : calibration_cost(session.plan, model,
                                                 {.tokens = static_cast<double>(p.tokens),
                                                  .sample_tokens = static_cast<double>(s.max_seq_length),
                                                  .forward_passes = twice ? 2.0 : 1.0,
                                                  .all_experts = s.calibrate_all_experts})) {
    const WorkCost cost = layer.sum();
    p.forward_operations += cost.forward;
    p.statistics_operations += cost.statistics;
    p.solve_operations += cost.solve;
  }
  p.seconds = (p.forward_operations + p.statistics_operations + p.solve_operations) / machine.rate;
  const CalibrationOptions defaults;
  const CalibrationMemory memory =
      calibration_memory(session.plan, model,
                         {.bytes_per_weight = machine.bytes_per_weight,
                          .tokens = p.tokens,
                          .batch_tokens = std::max(defaults.batch_tokens, s.max_seq_length),
                          .hessian_bytes = defaults.hessian_bytes,
                          .all_experts = s.calibrate_all_experts});
  p.layer_memory = memory.layer;
  p.hessian_memory = memory.hessians;
  p.solve_memory = memory.solve;
  p.batch_memory = memory.batch;
  p.state_memory = memory.states;
  p.memory = s.max_memory > 0 ? std::min(memory.total(), s.max_memory) : memory.total();
  // Hidden states of the last finished layer, twice, for a run that is killed.
  p.disk = 2 * p.tokens * model.hidden * sizeof(float) * (session.plan.calibration->source_stream ? 2 : 1);
  return p;
}

}  // namespace tersor
