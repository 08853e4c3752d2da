#include "tersor/pipelines/data_free.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "tersor/base/clock.h"
#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/compressors/compressor.h"
#include "tersor/io/hash.h"
#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/range_exchange.h"
#include "tersor/pipelines/work_items.h"

namespace tersor {
namespace {

// Counts finished source bytes and tells the caller a few times a second.
class ProgressMeter {
 public:
  ProgressMeter(const RunOptions& options, uint64_t total)
      : report_(options.progress), interval_(options.progress_interval), start_(Clock::now()) {
    state_.total = total;
  }

  void enter(Progress::Phase phase) {
    const std::lock_guard lock(mutex_);
    state_.phase = phase;
    if (phase == Progress::Phase::kCompress) {
      state_.resumed = state_.done;
      start_ = Clock::now();
    }
    tell();
  }

  void add(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    state_.done += bytes;
    if (seconds_since(told_) >= interval_) tell();
  }

  uint64_t resumed() const { return state_.resumed; }

 private:
  void tell() {
    told_ = Clock::now();
    state_.seconds = seconds_since(start_);
    if (report_) report_(state_);
  }

  const std::function<void(const Progress&)>& report_;
  const double interval_;
  Progress state_;
  Clock::time_point start_, told_;
  std::mutex mutex_;
};

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

class DataFreeRun {
 public:
  DataFreeRun(const Checkpoint& checkpoint, const CompressionPlan& plan, OutputFolder& output,
              const RunOptions& options)
      : checkpoint_(checkpoint),
        plan_(plan),
        output_(output),
        options_(options),
        list_(make_work_list(plan)),
        pool_(options.threads),
        kernels_(cpu_quantize_kernels()),
        meter_(options, total_bytes()) {}

  RunSummary run() {
    const Clock::time_point start = Clock::now();
    const Journal::Previous previous = previous_run();
    open_files(previous.exists);
    done_.assign(list_.items.size(), false);
    statistics_.resize(list_.items.size());
    meter_.enter(Progress::Phase::kCheck);
    for (const JournalRecord& record : check_records(previous.records)) {
      done_[record.item] = true;
      statistics_[record.item] = record.statistics;
      meter_.add(item_bytes(list_.items[record.item]));
    }
    journal_ =
        std::make_unique<Journal>(previous.exists ? Journal::resume(output_.staging(), previous)
                                                  : Journal::create(output_.staging(), plan_.fingerprint));
    meter_.enter(Progress::Phase::kCompress);
    try {
      compress();
    } catch (const Error& e) {
      // A broken source has to change, and what was made of it would not be gone on with.
      if (e.code() == ErrorCode::kInput) output_.clear();
      throw;
    }
    meter_.enter(Progress::Phase::kFinish);
    finish();
    return {
        .modules = module_statistics(), .resumed_bytes = meter_.resumed(), .seconds = seconds_since(start)};
  }

 private:
  // Source bytes that an item accounts for; observing is a part of compressing.
  uint64_t item_bytes(const WorkItem& item) const {
    if (item.kind == WorkItem::Kind::kObserve) return 0;
    if (item.kind == WorkItem::Kind::kCopy) return item.count;
    const SourceModule& m = plan_.inventory.modules[item.subject];
    return item.count * m.in() * dtype_size(m.dtype);
  }

  uint64_t total_bytes() const {
    uint64_t total = 0;
    for (const WorkItem& item : list_.items) total += item_bytes(item);
    return total;
  }

  // The journal of an unfinished run of the same plan, or none.
  Journal::Previous previous_run() {
    Journal::Previous previous = Journal::read(output_.staging());
    if (!previous.exists || previous.fingerprint != plan_.fingerprint) {
      if (previous.exists && !options_.overwrite) {
        throw usage_error(
            fmt::format("{} holds an unfinished run with another source, recipe or version of tersor",
                        output_.staging().string()),
            "run the command that began it again to finish it, or start afresh with `--overwrite`");
      }
      output_.clear();
      previous = {};
    }
    std::erase_if(previous.records, [&](const JournalRecord& r) { return r.item >= list_.items.size(); });
    return previous;
  }

  void open_files(bool resumed) {
    if (!resumed) {
      const uint64_t free = free_disk_bytes(output_.staging());
      if (free < plan_.output_bytes) {
        throw runtime_error(
            fmt::format("the output needs {}, but {} has only {} free", format_bytes(plan_.output_bytes),
                        output_.staging().parent_path().string(), format_bytes(free)),
            "free some space or give an output folder on another disk");
      }
    }
    reserve_descriptors(2 * plan_.shards.size());
    for (const PlannedShard& shard : plan_.shards) {
      const std::filesystem::path path = output_.staging() / shard.file_name;
      std::filesystem::create_directories(path.parent_path());
      files_.emplace_back(path, File::Open::kCreateReadWrite);
      files_.back().allocate(shard.bytes);
      files_.back().write_at(0, std::as_bytes(std::span(shard.header)));
    }
  }

  // The records whose bytes are really in the output files, checked on all threads.
  std::vector<JournalRecord> check_records(const std::vector<JournalRecord>& records) {
    std::vector<char> intact(records.size(), 0);
    std::vector<Worker> workers(pool_.threads());
    pool_.parallel_for(records.size(), [&](size_t i, size_t w) {
      intact[i] = std::ranges::all_of(records[i].extents, [&](const Extent& e) {
        if (e.file >= files_.size() || e.length > plan_.shards[e.file].bytes ||
            e.offset > plan_.shards[e.file].bytes - e.length)
          return false;
        const auto bytes = workers[w].buffer(e.length);
        files_[e.file].read_at(e.offset, bytes);
        return hash64(bytes) == e.hash;
      });
    });
    std::vector<JournalRecord> out;
    for (size_t i = 0; i < records.size(); ++i) {
      if (intact[i]) out.push_back(records[i]);
    }
    return out;
  }

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
        ranges_->abandon();
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
    meter_.add(item_bytes(item));
  }

  void copy(uint32_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    const PlannedShard& shard = plan_.shards[item.shard];
    const PlannedCopy& copy = shard.copies[item.subject];
    const auto bytes = worker.buffer(item.count);
    checkpoint_.shards[item.shard].source->read_at(copy.source_begin + item.begin, bytes);
    JournalRecord record{.item = index, .statistics = {}, .extents = {}};
    record.extents.push_back(write(item.shard, shard.tensors[copy.tensor].begin + item.begin, bytes));
    checkpoint_.shards[item.shard].source->done_with(copy.source_begin + item.begin, item.count);
    journal_->append(record);
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

  void require_finite(bool finite, const WorkItem& item) const {
    if (finite) return;
    const SourceModule& m = plan_.inventory.modules[item.subject];
    throw input_error(
        fmt::format("`{}.weight` in {} holds a NaN or an infinity (rows {} to {})", m.name.name,
                    (checkpoint_.folder / checkpoint_.shards[item.shard].file_name).string(), item.begin,
                    item.begin + item.count - 1),
        fmt::format(
            "the checkpoint is damaged or was trained to overflow: download it again, or leave the module "
            "as it is: {}",
            flags_to_ignore(plan_.inventory, m.name.name)));
  }

  void observe(uint32_t index, Worker& worker) {
    const WorkItem& item = list_.items[index];
    const Observation& before = ranges_->before_pass(item.group, item.pass);
    const WeightView rows = read_rows(item, worker);
    Observation seen = observe_rows(scheme_of(item), rows, item.pass, before, kernels_, worker.scratch);
    require_finite(seen.finite, item);
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
    require_finite(block.finite, item);
    JournalRecord record{.item = index,
                         .statistics = {block.squared_error, block.squared_norm, block.zero_groups},
                         .extents = {}};
    const auto& stored = plan_.decisions[item.subject].stored;
    for (const StoredPiece& piece : worker.pieces) {
      if (piece.bytes.empty()) continue;
      const TensorInfo& tensor = plan_.shards[item.shard].tensors[stored[piece.tensor]];
      record.extents.push_back(write(item.shard, tensor.begin + piece.offset, piece.bytes));
    }
    const uint64_t row_bytes = m.in() * dtype_size(m.dtype);
    checkpoint_.shards[item.shard].source->done_with(m.begin + item.begin * row_bytes,
                                                     item.count * row_bytes);
    statistics_[index] = record.statistics;
    journal_->append(record);
  }

  Extent write(uint32_t file, uint64_t offset, std::span<const std::byte> bytes) {
    files_[file].write_at(offset, bytes);
    files_[file].start_writeback(offset, bytes.size());
    return {.file = file, .offset = offset, .length = bytes.size(), .hash = hash64(bytes)};
  }

  void finish() {
    for (const Shard& shard : checkpoint_.shards) {
      if (shard.source->changed()) {
        output_.clear();
        throw input_error(
            fmt::format("{} changed while it was read", shard.source->name()),
            "the output would mix two states of it, and is discarded; run again when nothing writes to it");
      }
    }
    for (const File& file : files_) {
      if (file.is_at_its_path()) continue;
      throw runtime_error(
          fmt::format("{} was removed or replaced while it was written", file.path().string()),
          "leave the folder alone and run the same command again");
    }
    for (const OtherFile& file : plan_.carried) {
      const std::filesystem::path to = output_.staging() / file.relative_path;
      std::filesystem::create_directories(to.parent_path());
      copy_regular_file(checkpoint_.folder / file.relative_path, to);
    }
    for (const auto& [name, text] : plan_.texts) write_file_atomically(output_.staging() / name, text);
    files_.clear();
    journal_.reset();
    output_.commit();  // syncs every file
  }

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

  const Checkpoint& checkpoint_;
  const CompressionPlan& plan_;
  OutputFolder& output_;
  const RunOptions& options_;
  const WorkList list_;
  ThreadPool pool_;
  const QuantizeKernels& kernels_;
  ProgressMeter meter_;
  std::vector<File> files_;  // one per output shard
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<RangeExchange> ranges_;
  std::vector<char> done_;                   // per item
  std::vector<PieceStatistics> statistics_;  // per item
  const Observation none_{};
};

}  // namespace

RunSummary run_data_free(const Checkpoint& checkpoint, const CompressionPlan& plan, OutputFolder& output,
                         const RunOptions& options) {
  return DataFreeRun(checkpoint, plan, output, options).run();
}

}  // namespace tersor
