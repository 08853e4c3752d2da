#include "tersor/pipelines/rounding.h"

#include <algorithm>
#include <exception>
#include <memory>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/progress_meter.h"
#include "tersor/pipelines/range_exchange.h"
#include "tersor/pipelines/storable.h"
#include "tersor/pipelines/work_items.h"

namespace tersor {
namespace {

// Buffers of one thread.
struct Worker {
  std::vector<std::byte> source;
  CompressScratch scratch;
  std::vector<StoredPiece> pieces;

  std::span<std::byte> buffer(uint64_t bytes) {
    if (source.size() < bytes) source.resize(bytes);
    return std::span(source).first(bytes);
  }
};

// Source bytes that an item accounts for; observing is a part of compressing.
uint64_t item_bytes(const CompressionPlan& plan, const WorkItem& item) {
  if (item.kind == WorkItem::Kind::kObserve) return 0;
  if (item.kind == WorkItem::Kind::kCopy) return item.count;
  const SourceModule& m = plan.inventory.modules[item.subject];
  return item.count * m.in() * dtype_size(m.dtype);
}

class RoundingRun {
 public:
  RoundingRun(const Checkpoint& checkpoint, const CompressionPlan& plan, const WorkList& list,
              RunOutput& output, ThreadPool& pool, ProgressMeter& meter)
      : checkpoint_(checkpoint),
        plan_(plan),
        list_(list),
        output_(output),
        pool_(pool),
        kernels_(cpu_quantize_kernels()),
        meter_(meter),
        done_(list.items.size(), false),
        statistics_(list.items.size()) {}

  // `records`: what an earlier run has finished.
  void run(const std::vector<JournalRecord>& records) {
    for (const JournalRecord& record : records) {
      done_[record.item] = true;
      statistics_[record.item] = record.statistics;
      meter_.add(item_bytes(plan_, list_.items[record.item]));
    }
    meter_.enter(Progress::Phase::kCompress);
    compress();
  }

 private:
  void compress() {
    skip_needless_observations();
    std::vector<uint32_t> todo;
    for (uint32_t i = 0; i < list_.items.size(); ++i) {
      if (!done_[i]) todo.push_back(i);
    }
    ranges_ = std::make_unique<RangeExchange>(plan_, list_);
    std::vector<Worker> workers(pool_.threads());
    pool_.parallel_for(todo.size(), [&](size_t i, size_t w) {
      try {
        work(todo[i], workers[w]);
      } catch (...) {
        ranges_->abandon(std::current_exception());
        throw;
      }
    });
  }

  // A group of which every piece is compressed needs no range any more.
  void skip_needless_observations() {
    std::vector<bool> needed(list_.groups.size(), false);
    for (size_t i = 0; i < list_.items.size(); ++i) {
      const WorkItem& item = list_.items[i];
      if (item.kind == WorkItem::Kind::kCompress && item.group != kNoGroup && !done_[i])
        needed[item.group] = true;
    }
    for (size_t g = 0; g < needed.size(); ++g) {
      for (const uint32_t i : list_.groups[g].observe) done_[i] = !needed[g];
    }
  }

  void work(uint32_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    switch (item.kind) {
      case WorkItem::Kind::kCopy:
        copy(index, worker);
        break;
      case WorkItem::Kind::kObserve:
        observe(index, worker);
        break;
      case WorkItem::Kind::kCompress:
        compress_rows_of(index, worker);
        break;
    }
    meter_.add(item_bytes(plan_, item));
  }

  void copy(uint32_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    const PlannedShard& shard = plan_.shards[item.shard];
    const PlannedCopy& copy = shard.copies[item.subject];
    const auto bytes = worker.buffer(item.count);
    checkpoint_.shards[item.shard].source->read_at(copy.source_begin + item.begin, bytes);
    JournalRecord record{.item = index, .statistics = {}, .extents = {}};
    record.extents.push_back(output_.write(item.shard, shard.tensors[copy.tensor].begin + item.begin, bytes));
    checkpoint_.shards[item.shard].source->done_with(copy.source_begin + item.begin, item.count);
    output_.record(record);
  }

  WeightView read_rows(const WorkItem& item, Worker& worker) {
    const SourceModule& m = plan_.inventory.modules[item.subject];
    const uint64_t row_bytes = m.in() * dtype_size(m.dtype);
    const auto bytes = worker.buffer(item.count * row_bytes);
    checkpoint_.shards[item.shard].source->read_at(m.begin + item.begin * row_bytes, bytes);
    return {bytes.data(), m.dtype, item.count, m.in()};
  }

  const QuantizationScheme& scheme_of(const WorkItem& item) const {
    return plan_.schemes[*plan_.decisions[item.subject].scheme];
  }

  // "model.safetensors (rows 0 to 511)".
  std::string place_of(const WorkItem& item) const {
    return fmt::format("{} (rows {} to {})",
                       (checkpoint_.folder / checkpoint_.shards[item.shard].file_name).string(), item.begin,
                       item.begin + item.count - 1);
  }

  void observe(uint32_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    const Observation& before = ranges_->before_pass(item.group, item.pass);
    const WeightView rows = read_rows(item, worker);
    Observation seen = observe_rows(scheme_of(item), rows, item.pass, before, kernels_, worker.scratch);
    require_finite(seen.finite, plan_.inventory.modules[item.subject], place_of(item), plan_.inventory);
    ranges_->put(item, index, std::move(seen));
  }

  void compress_rows_of(uint32_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    const SourceModule& m = plan_.inventory.modules[item.subject];
    const QuantizationScheme& scheme = scheme_of(item);
    const Observation& observation =
        item.group == kNoGroup ? none_ : ranges_->before_pass(item.group, observation_passes(scheme));
    const WeightView rows = read_rows(item, worker);
    const BlockStatistics block = compress_rows(scheme, m.out(), item.begin, rows, observation, kernels_,
                                                worker.scratch, worker.pieces);
    require_storable(block, scheme, m, place_of(item), plan_.inventory);
    JournalRecord record{.item = index,
                         .statistics = {block.squared_error, block.squared_norm, block.zero_groups},
                         .extents = {}};
    const auto& stored = plan_.decisions[item.subject].stored;
    for (const StoredPiece& piece : worker.pieces) {
      if (piece.bytes.empty()) continue;
      const TensorInfo& tensor = plan_.shards[item.shard].tensors[stored[piece.tensor]];
      record.extents.push_back(output_.write(item.shard, tensor.begin + piece.offset, piece.bytes));
    }
    const uint64_t row_bytes = m.in() * dtype_size(m.dtype);
    checkpoint_.shards[item.shard].source->done_with(m.begin + item.begin * row_bytes,
                                                     item.count * row_bytes);
    statistics_[index] = record.statistics;
    output_.record(record);
  }

 public:
  // The sums of each module's pieces; one per module of the inventory.
  std::vector<PieceStatistics> module_statistics() const {
    std::vector<PieceStatistics> out(plan_.inventory.modules.size());
    for (size_t i = 0; i < list_.items.size(); ++i) {
      if (list_.items[i].kind != WorkItem::Kind::kCompress) continue;
      PieceStatistics& sum = out[list_.items[i].subject];
      sum.squared_error += statistics_[i].squared_error;
      sum.squared_norm += statistics_[i].squared_norm;
      sum.zero_groups += statistics_[i].zero_groups;
    }
    return out;
  }

 private:
  const Checkpoint& checkpoint_;
  const CompressionPlan& plan_;
  const WorkList& list_;
  RunOutput& output_;
  ThreadPool& pool_;
  const QuantizeKernels& kernels_;
  ProgressMeter& meter_;
  std::unique_ptr<RangeExchange> ranges_;
  std::vector<char> done_;                   // per item
  std::vector<PieceStatistics> statistics_;  // per item
  const Observation none_{};
};

}  // namespace

uint64_t source_bytes(const CompressionPlan& plan, const WorkList& list) {
  uint64_t total = 0;
  for (const WorkItem& item : list.items) total += item_bytes(plan, item);
  return total;
}

std::vector<PieceStatistics> round_to_nearest(const Checkpoint& checkpoint, const CompressionPlan& plan,
                                              const WorkList& list,
                                              const std::vector<JournalRecord>& finished, RunOutput& output,
                                              ThreadPool& pool, ProgressMeter& meter) {
  RoundingRun run(checkpoint, plan, list, output, pool, meter);
  try {
    run.run(finished);
  } catch (const Error& e) {
    // A broken source has to change, and what was made of it would not be gone on with.
    if (e.code() == ErrorCode::kInput) output.discard();
    throw;
  }
  return run.module_statistics();
}

}  // namespace tersor
