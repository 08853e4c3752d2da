// Rounding to nearest, piece by piece, on all threads: all of a data-free run, and the part of a calibrated
// one that waits for no statistics.
#pragma once

#include <vector>

#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/progress_meter.h"
#include "tersor/pipelines/run_output.h"
#include "tersor/pipelines/work_items.h"

namespace tersor {

// Source bytes that the items of a list account for.
uint64_t source_bytes(const CompressionPlan& plan, const WorkList& list);

// Carries out the items of `list` but those that `finished` records, writes and journals them. Returns the
// statistics of each module of the inventory, the earlier run's included. Throws as run_data_free();
// output.discard() is called where the source is broken.
std::vector<PieceStatistics> round_to_nearest(const Checkpoint& checkpoint, const CompressionPlan& plan,
                                              const WorkList& list,
                                              const std::vector<JournalRecord>& finished, RunOutput& output,
                                              ThreadPool& pool, ProgressMeter& meter);

}  // namespace tersor
