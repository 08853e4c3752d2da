#include <algorithm>

#include "tersor/compressors/compressor.h"
#include "tersor/pipelines/compression_plan.h"
#include "tersor/pipelines/work_items.h"

namespace tersor {

uint64_t predict_peak_memory(const CompressionPlan& plan, size_t threads) {
  // The program itself with its libraries, 5 MB of which are the relocations of oneDNN and OpenBLAS (measured
  // on a model of 4 MB).
  constexpr uint64_t kProgram = 12'800'000;
  // What headers, plan and work list hold per tensor: names, shapes, places (measured on 56,000 tensors).
  constexpr uint64_t kPerTensor = 900;

  uint64_t tensors = plan.inventory.modules.size(), piece = 0;
  for (const PlannedShard& shard : plan.shards) {
    tensors += shard.tensors.size();
    for (const PlannedCopy& copy : shard.copies) piece = std::max(piece, std::min(copy.bytes, kPieceBytes));
  }
  // A thread holds one piece of the source and what it becomes.
  for (size_t m = 0; m < plan.decisions.size(); ++m) {
    if (!plan.decisions[m].scheme) continue;
    const SourceModule& module = plan.inventory.modules[m];
    const uint64_t rows = std::min(module.out(), piece_rows(module, plan.schemes[*plan.decisions[m].scheme]));
    uint64_t stored = 0;
    for (const size_t t : plan.decisions[m].stored)
      stored += plan.shards[module.place.shard].tensors[t].bytes();
    piece = std::max(piece, rows * module.in() * dtype_size(module.dtype) + stored * rows / module.out());
  }
  return kProgram + kPerTensor * tensors + piece * threads;
}

}  // namespace tersor
