#include "tersor/pipelines/run_output.h"

#include <algorithm>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/io/hash.h"

namespace tersor {

std::vector<JournalRecord> RunOutput::open(uint32_t items, bool overwrite, ThreadPool& pool) {
  const Journal::Previous previous = previous_run(items, overwrite);
  open_files(previous.exists);
  std::vector<JournalRecord> records = intact(previous.records, pool);
  journal_ =
      std::make_unique<Journal>(previous.exists ? Journal::resume(output_.staging(), previous)
                                                : Journal::create(output_.staging(), plan_.fingerprint));
  return records;
}

Journal::Previous RunOutput::previous_run(uint32_t items, bool overwrite) {
  Journal::Previous previous = Journal::read(output_.staging());
  if (!previous.exists || previous.fingerprint != plan_.fingerprint) {
    if (previous.exists && !overwrite) {
      throw usage_error(
          fmt::format("{} holds an unfinished run with another source, recipe or version of tersor",
                      output_.staging().string()),
          "run the command that began it again to finish it, or start afresh with `--overwrite`");
    }
    output_.clear();
    previous = {};
  }
  std::erase_if(previous.records, [&](const JournalRecord& r) { return r.item >= items; });
  return previous;
}

void RunOutput::open_files(bool resumed) {
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

std::vector<JournalRecord> RunOutput::intact(std::vector<JournalRecord> records, ThreadPool& pool) {
  std::vector<char> good(records.size(), 0);
  std::vector<std::vector<std::byte>> buffers(pool.threads());
  pool.parallel_for(records.size(), [&](size_t i, size_t w) {
    good[i] = std::ranges::all_of(records[i].extents, [&](const Extent& e) {
      if (e.file >= files_.size() || e.length > plan_.shards[e.file].bytes ||
          e.offset > plan_.shards[e.file].bytes - e.length)
        return false;
      buffers[w].resize(e.length);
      files_[e.file].read_at(e.offset, buffers[w]);
      return hash64(buffers[w]) == e.hash;
    });
  });
  std::vector<JournalRecord> out;
  for (size_t i = 0; i < records.size(); ++i) {
    if (good[i]) out.push_back(std::move(records[i]));
  }
  return out;
}

Extent RunOutput::write(uint32_t file, uint64_t offset, std::span<const std::byte> bytes) {
  files_[file].write_at(offset, bytes);
  files_[file].start_writeback(offset, bytes.size());
  return {.file = file, .offset = offset, .length = bytes.size(), .hash = hash64(bytes)};
}

void RunOutput::finish() {
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
    throw runtime_error(fmt::format("{} was removed or replaced while it was written", file.path().string()),
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

}  // namespace tersor
