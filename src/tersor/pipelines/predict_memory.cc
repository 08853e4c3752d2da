#include <algorithm>

#include "tersor/compressors/compressor.h"
#include "tersor/pipelines/compression_plan.h"
#include "tersor/pipelines/work_items.h"

namespace tersor {

uint64_t predict_peak_memory(const CompressionPlan& plan, size_t threads) {
  // The program itself with its libraries.
  constexpr uint64_t kProgram = 14 << 20;
  // What the headers, the plan and the journal hold per tensor: names, shapes, places (measured on a
  // checkpoint of 100,000 tensors).
  constexpr uint64_t kPerTensor = 1000;
  // A thread's buffers for a piece of `s` source bytes in 16 bits: the source, codes (half), values (double),
  // output.
  constexpr double kPerPieceByte = 1 + 0.5 + 2 + 0.75;

  uint64_t tensors = plan.inventory.modules.size(), largest = 0;
  for (const PlannedShard& shard : plan.shards) {
    tensors += shard.tensors.size();
    for (const PlannedCopy& copy : shard.copies)
      largest = std::max(largest, std::min(copy.bytes, kPieceBytes));
  }
  double per_thread = static_cast<double>(largest);
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (!plan.decisions[m].scheme) continue;
    const SourceModule& module = plan.inventory.modules[m];
    const uint64_t row_bytes = module.in() * dtype_size(module.dtype);
    const uint64_t least =
        std::min(module.out(), row_alignment(plan.schemes[*plan.decisions[m].scheme])) * row_bytes;
    const uint64_t piece = std::min(module.out() * row_bytes, std::max(least, kPieceBytes));
    per_thread = std::max(per_thread, kPerPieceByte * static_cast<double>(piece));
  }
  return kProgram + kPerTensor * tensors + static_cast<uint64_t>(per_thread * static_cast<double>(threads));
}

}  // namespace tersor
