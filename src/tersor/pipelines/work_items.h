// The plan cut into pieces of work of a few megabytes, in the order they are started.
//
// The cut depends on the plan alone, never on the number of threads: a piece means the same after a restart.
#pragma once

#include <cstdint>
#include <vector>

#include "tersor/pipelines/compression_plan.h"

namespace tersor {

// Source bytes of one piece: large enough that a system call per piece costs nothing, small enough that the
// pieces of all threads stay in memory (and mostly in cache).
constexpr uint64_t kPieceBytes = 4 << 20;

struct WorkItem {
  enum class Kind : uint8_t { kCopy, kObserve, kCompress };
  Kind kind = Kind::kCopy;
  uint8_t pass = 0;      // of kObserve: 0 or 1
  uint32_t shard = 0;    // of the source and of the output
  uint32_t subject = 0;  // kCopy: index into PlannedShard::copies; else: index of the module
  uint32_t group = 0;    // kObserve, and kCompress with an observed range: index into WorkList::groups
  uint64_t begin = 0;    // kCopy: first byte; else: first row
  uint64_t count = 0;    // bytes or rows
};

constexpr uint32_t kNoGroup = UINT32_MAX;

// Modules whose scales come from one range: a fused set (NVFP4), or one module (strategy `tensor`).
struct RangeGroup {
  std::vector<uint32_t> modules;
  int passes = 1;                 // how often its rows are read before they are compressed
  std::vector<uint32_t> observe;  // its kObserve items, by pass and then in row order
};

struct WorkList {
  // An item waits only for items that stand before it.
  std::vector<WorkItem> items;
  std::vector<RangeGroup> groups;
};

// Rows per piece of a module under a scheme: whole alignments, near kPieceBytes.
uint64_t piece_rows(const SourceModule& module, const QuantizationScheme& scheme);

// Copies, and the modules that wait for no calibration data; with `calibrated` all modules, as a check of the
// result goes through them.
WorkList make_work_list(const CompressionPlan& plan, bool calibrated = false);

}  // namespace tersor
