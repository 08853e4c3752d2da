#include "tersor/pipelines/work_items.h"

#include <algorithm>
#include <map>
#include <string>

#include "tersor/base/checked_math.h"
#include "tersor/compressors/compressor.h"
#include "tersor/quantization/fused_modules.h"

namespace tersor {
namespace {

bool is_listed(const ModuleDecision& decision, bool calibrated) {
  return decision.scheme && (calibrated || !decision.calibrated);
}

// Groups modules whose range is observed before they are compressed, in order of their first member.
std::vector<RangeGroup> range_groups(const CompressionPlan& plan, bool calibrated) {
  std::vector<RangeGroup> groups;
  std::map<std::string, size_t> by_key;
  for (uint32_t m = 0; m < plan.decisions.size(); ++m) {
    if (!is_listed(plan.decisions[m], calibrated)) continue;
    const QuantizationScheme& scheme = plan.schemes[*plan.decisions[m].scheme];
    const int passes = observation_passes(scheme);
    if (passes == 0) continue;
    const std::string& name = plan.inventory.modules[m].name.name;
    std::string key = name;
    if (shares_range_across_fused_set(scheme)) key = fused_key(name).value_or(name);
    const auto [it, fresh] = by_key.try_emplace(key, groups.size());
    if (fresh) groups.push_back({.modules = {}, .passes = passes, .observe = {}});
    groups[it->second].modules.push_back(m);
  }
  return groups;
}

class Builder {
 public:
  Builder(const CompressionPlan& plan, bool calibrated) : plan_(plan), calibrated_(calibrated) {}

  WorkList build() {
    list_.groups = range_groups(plan_, calibrated_);
    std::vector<uint32_t> group_of(plan_.decisions.size(), kNoGroup);
    for (uint32_t g = 0; g < list_.groups.size(); ++g) {
      for (const uint32_t m : list_.groups[g].modules) group_of[m] = g;
    }
    std::vector<bool> started(list_.groups.size(), false);
    // A group is observed one group ahead of its compression, so that threads seldom wait for its last piece.
    uint32_t pending = kNoGroup;
    auto flush = [&] {
      if (pending != kNoGroup) compress_group(pending);
      pending = kNoGroup;
    };
    for (uint32_t s = 0; s < plan_.shards.size(); ++s) {
      for (uint32_t c = 0; c < plan_.shards[s].copies.size(); ++c) copy(s, c);
    }
    for (uint32_t m = 0; m < plan_.decisions.size(); ++m) {
      if (!is_listed(plan_.decisions[m], calibrated_)) continue;
      const uint32_t g = group_of[m];
      if (g == kNoGroup) {
        rows(m, WorkItem::Kind::kCompress, 0, kNoGroup);
      } else if (!started[g]) {
        started[g] = true;
        observe_group(g);
        flush();
        pending = g;
      }
    }
    flush();
    return std::move(list_);
  }

 private:
  void copy(uint32_t shard, uint32_t index) {
    const uint64_t bytes = plan_.shards[shard].copies[index].bytes;
    for (uint64_t begin = 0; begin < bytes; begin += kPieceBytes) {
      list_.items.push_back({.kind = WorkItem::Kind::kCopy,
                             .pass = 0,
                             .shard = shard,
                             .subject = index,
                             .group = kNoGroup,
                             .begin = begin,
                             .count = std::min(kPieceBytes, bytes - begin)});
    }
  }

  void rows(uint32_t m, WorkItem::Kind kind, int pass, uint32_t group) {
    const SourceModule& module = plan_.inventory.modules[m];
    const uint64_t step = piece_rows(module, plan_.schemes[*plan_.decisions[m].scheme]);
    for (uint64_t row = 0; row < module.out(); row += step) {
      if (kind == WorkItem::Kind::kObserve)
        list_.groups[group].observe.push_back(static_cast<uint32_t>(list_.items.size()));
      list_.items.push_back({.kind = kind,
                             .pass = static_cast<uint8_t>(pass),
                             .shard = static_cast<uint32_t>(module.place.shard),
                             .subject = m,
                             .group = group,
                             .begin = row,
                             .count = std::min(step, module.out() - row)});
    }
  }

  void observe_group(uint32_t g) {
    for (int pass = 0; pass < list_.groups[g].passes; ++pass) {
      for (const uint32_t m : list_.groups[g].modules) rows(m, WorkItem::Kind::kObserve, pass, g);
    }
  }

  void compress_group(uint32_t g) {
    for (const uint32_t m : list_.groups[g].modules) rows(m, WorkItem::Kind::kCompress, 0, g);
  }

  const CompressionPlan& plan_;
  const bool calibrated_;
  WorkList list_;
};

}  // namespace

uint64_t piece_rows(const SourceModule& module, const QuantizationScheme& scheme) {
  const uint64_t row_bytes = std::max<uint64_t>(1, module.in() * dtype_size(module.dtype));
  const uint64_t align = row_alignment(scheme);
  return std::max<uint64_t>(1, kPieceBytes / row_bytes / align) * align;
}

WorkList make_work_list(const CompressionPlan& plan, bool calibrated) {
  return Builder(plan, calibrated).build();
}

}  // namespace tersor
