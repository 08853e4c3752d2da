#include "tersor/pipelines/data_free.h"

#include "tersor/base/clock.h"
#include "tersor/pipelines/rounding.h"

namespace tersor {

RunSummary run_data_free(const Checkpoint& checkpoint, const CompressionPlan& plan, OutputFolder& folder,
                         const RunOptions& options) {
  const Clock::time_point start = Clock::now();
  const WorkList list = make_work_list(plan);
  ThreadPool pool(options.threads);
  ProgressMeter meter(options, source_bytes(plan, list));
  RunOutput output(checkpoint, plan, folder);
  meter.enter(Progress::Phase::kCheck);
  const auto finished = output.open(static_cast<uint32_t>(list.items.size()), options.overwrite, pool);
  RunSummary summary;
  summary.modules = round_to_nearest(checkpoint, plan, list, finished, output, pool, meter);
  meter.enter(Progress::Phase::kFinish);
  output.finish();
  summary.resumed_bytes = meter.resumed();
  summary.seconds = seconds_since(start);
  return summary;
}

}  // namespace tersor
