#include "tersor/pipelines/range_exchange.h"

#include <algorithm>
#include <utility>

namespace tersor {

RangeExchange::RangeExchange(const CompressionPlan& plan, const WorkList& list)
    : plan_(plan), list_(list), groups_(list.groups.size()) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    const auto passes = static_cast<size_t>(list.groups[g].passes);
    group.items.resize(passes);
    group.observed.resize(passes);
    group.missing.resize(passes);
    group.merged.resize(passes + 1);
    for (const uint32_t i : list.groups[g].observe) group.items[list.items[i].pass].push_back(i);
    for (size_t p = 0; p < passes; ++p) {
      group.observed[p].resize(group.items[p].size());
      group.missing[p] = group.items[p].size();
    }
  }
}

const Observation& RangeExchange::before_pass(uint32_t group, int pass) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return abandoned_by_ || groups_[group].complete >= pass; });
  if (abandoned_by_) std::rethrow_exception(abandoned_by_);
  return groups_[group].merged[static_cast<size_t>(pass)];
}

void RangeExchange::put(const WorkItem& item, size_t item_index, Observation observation) {
  const std::lock_guard lock(mutex_);
  Group& group = groups_[item.group];
  const auto pass = static_cast<size_t>(item.pass);
  const auto& items = group.items[pass];
  // The items of a pass are in increasing order.
  const auto at = std::ranges::lower_bound(items, static_cast<uint32_t>(item_index)) - items.begin();
  group.observed[pass][static_cast<size_t>(at)] = std::move(observation);
  if (--group.missing[pass] > 0) return;
  Observation merged = group.observed[pass].front();
  for (size_t i = 1; i < group.observed[pass].size(); ++i) merge(merged, group.observed[pass][i]);
  const size_t module = list_.groups[item.group].modules.front();
  finish_pass(plan_.schemes[*plan_.decisions[module].scheme], plan_.inventory.modules[module].dtype,
              item.pass, merged);
  group.merged[pass + 1] = std::move(merged);
  group.observed[pass].clear();
  group.complete = item.pass + 1;
  changed_.notify_all();
}

void RangeExchange::abandon(std::exception_ptr cause) {
  const std::lock_guard lock(mutex_);
  if (!abandoned_by_) abandoned_by_ = std::move(cause);
  changed_.notify_all();
}

}  // namespace tersor
