// The weights of a compressed checkpoint against those of its source, by row blocks on all threads. Internal.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tersor/io/checkpoint.h"
#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {

// What was found of one module of the inventory.
struct WeightCheck {
  double squared_error = 0;  // ‖W − Ŵ‖²
  double squared_norm = 0;   // ‖W‖²
  std::vector<std::string> failures;
};

// Whether all scales are finite and above zero; with `either_sign`, not zero.
bool scales_are_sound(std::span<const std::byte> bytes, DType dtype, bool either_sign = false);

struct WeightCheckOptions {
  // Compress anew what was read, and demand the stored bytes: but for the codes of GPTQ, and for scales that
  // were weighted by calibration data. Otherwise only what the bytes say is measured.
  bool recompute = false;
  std::vector<bool> skip;                        // modules that are not to be read
  std::function<void(uint64_t bytes)> advanced;  // source bytes; called from several threads
};

// One result per module; those without a scheme and those skipped stay empty. Of `plan`, the inventory, the
// decisions and the schemes are used; every tensor of the modules that are read is in `output` with the shape
// that stored_tensors() says. Memory is a few row blocks per thread.
std::vector<WeightCheck> verify_weights(const Checkpoint& output, const Checkpoint& reference,
                                        const CompressionPlan& plan, const WeightCheckOptions& options,
                                        ThreadPool& pool);

}  // namespace tersor
