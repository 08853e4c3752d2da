// The staging folder of a run in progress: output files at their planned sizes, the journal of what is
// finished, and how a later run goes on from both.
//
//   open() → write() and record() from any thread → finish()
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tersor/io/output_folder.h"
#include "tersor/parallel/thread_pool.h"
#include "tersor/pipelines/compression_plan.h"
#include "tersor/pipelines/journal.h"

namespace tersor {

class RunOutput {
 public:
  // Refers to all three.
  RunOutput(const Checkpoint& checkpoint, const CompressionPlan& plan, OutputFolder& output)
      : checkpoint_(checkpoint), plan_(plan), output_(output) {}

  // Creates the files, or takes up those of an unfinished run of the same plan: returns its records whose
  // bytes are really there, checked on all threads of `pool`; records of items from `items` on are dropped.
  // An unfinished run of another plan is an Error(kUsage), unless `overwrite`; too little free disk an
  // Error(kRuntime).
  std::vector<JournalRecord> open(uint32_t items, bool overwrite, ThreadPool& pool);

  // Writes bytes of shard `file` and says what was written. Thread-safe.
  Extent write(uint32_t file, uint64_t offset, std::span<const std::byte> bytes);
  // Marks an item as finished. Thread-safe.
  void record(const JournalRecord& record) { journal_->append(record); }

  // Where files that are no part of the result may lie, under names with kWorkingFilePrefix.
  const std::filesystem::path& staging() const { return output_.staging(); }
  // Discards all that was written: what was made of a broken source is not gone on with.
  void discard() { output_.clear(); }

  // Writes the other files and gives the folder its name. Throws Error(kInput) when the source has changed
  // meanwhile, Error(kRuntime) when the files are not where they were put.
  void finish();

 private:
  Journal::Previous previous_run(uint32_t items, bool overwrite);
  void open_files(bool resumed);
  std::vector<JournalRecord> intact(std::vector<JournalRecord> records, ThreadPool& pool);

  const Checkpoint& checkpoint_;
  const CompressionPlan& plan_;
  OutputFolder& output_;
  std::vector<File> files_;  // one per output shard
  std::unique_ptr<Journal> journal_;
};

}  // namespace tersor
