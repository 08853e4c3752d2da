// Where threads leave the ranges they observed, and wait for the ranges they need.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <vector>

#include "tersor/compressors/compressor.h"
#include "tersor/pipelines/work_items.h"

namespace tersor {

// Ranges of all groups of a work list. Safe to call from several threads. Waiting cannot deadlock: items
// start in order, and an item waits only for earlier ones.
class RangeExchange {
 public:
  RangeExchange(const CompressionPlan& plan, const WorkList& list);

  // What pass `pass` of a group builds on: everything observed in earlier passes. Pass == passes: the final
  // observation. Waits until it is complete. Throws what abandon() was given.
  const Observation& before_pass(uint32_t group, int pass);

  // The observation of one kObserve item. The last one of a pass merges all, in row order, so that sums do
  // not depend on which thread came first.
  void put(const WorkItem& item, size_t item_index, Observation observation);

  // Wakes everybody who waits: a thread has failed by `cause`, and its items will not come. Those who wait
  // fail by the first cause too, so that it is what is told whichever thread ends first.
  void abandon(std::exception_ptr cause);

 private:
  struct Group {
    std::vector<std::vector<uint32_t>> items;        // per pass, as work item indices
    std::vector<std::vector<Observation>> observed;  // the same, once they came
    std::vector<size_t> missing;                     // per pass
    std::vector<Observation> merged;                 // [0]: empty; [p + 1]: after pass p
    int complete = 0;                                // passes merged
  };
  const CompressionPlan& plan_;
  const WorkList& list_;
  std::vector<Group> groups_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr abandoned_by_;
};

}  // namespace tersor
