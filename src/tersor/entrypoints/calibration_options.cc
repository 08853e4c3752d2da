#include "tersor/entrypoints/calibration_options.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

CalibrationOptions::Scope scope_named(const std::string& name) {
  if (name == "stage") return CalibrationOptions::Scope::kStage;
  if (name == "layer") return CalibrationOptions::Scope::kLayer;
  throw usage_error(fmt::format("`{}` is no sequential scope", name), "one of `stage` and `layer`");
}

DType state_dtype_named(const std::string& name) {
  if (name == "bf16") return DType::kBF16;
  if (name == "f32") return DType::kF32;
  throw usage_error(fmt::format("`{}` is no dtype to keep activations in", name), "one of `bf16` and `f32`");
}

}  // namespace

CalibrationOptions calibration_options(const CalibrationSettings& settings) {
  CalibrationOptions options;
  options.scope = scope_named(settings.sequential_scope);
  options.propagate_error = settings.propagate_error;
  options.least_expert_tokens = settings.least_expert_tokens;
  options.all_experts = settings.calibrate_all_experts;
  options.state_dtype = state_dtype_named(settings.state_dtype);
  return options;
}

CalibrationSizes calibration_sizes(const CalibrationOptions& options, Backend& backend, uint64_t tokens,
                                   uint64_t longest) {
  return {.bytes_per_weight = packed_bytes_per_weight(backend, DType::kF32),
          .bytes_per_state = dtype_size(options.state_dtype),
          .tokens = tokens,
          .batch_tokens = std::max<uint64_t>(options.batch_tokens, longest),
          .hessian_bytes = options.hessian_bytes,
          .all_experts = options.all_experts,
          .source_weights = options.takes_source_weights()};
}

}  // namespace tersor
