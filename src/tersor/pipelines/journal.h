// Which pieces of work are finished, on disk: what a run that was killed left behind.
//
// Layout of `.tersor-journal`: one line "tersor journal 2 <fingerprint>\n", then records
//   u32 length of the payload · payload · u64 XXH3 of the payload        (little-endian)
// with the payload
//   u32 item · f64 squared_error · f64 squared_norm · u64 zero_groups · f64 output_error ·
//   f64 rounding_output_error · f64 output_norm · u64 tokens · u64 state ·
//   u32 number of extents · per extent: u32 file · u64 offset · u64 length · u64 XXH3 of its bytes.
// A record is appended after its bytes were written. A torn or damaged record ends the readable part: what
// follows it is done again. The checksums make sure that the bytes are really there, whatever stopped the
// run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tersor/io/file.h"

namespace tersor {

// Bytes of an output file that a piece wrote.
struct Extent {
  uint32_t file = 0;  // index of the output shard
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t hash = 0;
};

// Errors of a piece of a quantized weight; zero for copies.
struct PieceStatistics {
  double squared_error = 0;
  double squared_norm = 0;
  uint64_t zero_groups = 0;
  // Of a calibrated weight whose Hessian H was there: tr(ΔW H ΔWᵀ) of what is stored and of plain rounding
  // with the same scales, and tr(W H Wᵀ).
  double output_error = 0;
  double rounding_output_error = 0;
  double output_norm = 0;
  uint64_t tokens = 0;  // rows that its input statistics saw
};

struct JournalRecord {
  uint32_t item = 0;
  PieceStatistics statistics;
  std::vector<Extent> extents;
  uint64_t state = 0;  // of a finished layer: XXH3 of the hidden states that it left
};

class Journal {
 public:
  // What an earlier run left, if anything.
  struct Previous {
    bool exists = false;
    std::string fingerprint;
    std::vector<JournalRecord> records;
    uint64_t readable_bytes = 0;  // of the file: where the next record goes
  };
  static Previous read(const std::filesystem::path& folder);

  // A new journal; whatever was there is gone.
  static Journal create(const std::filesystem::path& folder, const std::string& fingerprint);
  // Goes on after the readable part of `previous`.
  static Journal resume(const std::filesystem::path& folder, const Previous& previous);

  // Appends a record. Safe to call from several threads at once.
  void append(const JournalRecord& record);

 private:
  Journal(File file, uint64_t end)
      : file_(std::move(file)), end_(end), mutex_(std::make_unique<std::mutex>()) {}
  File file_;
  uint64_t end_;
  std::unique_ptr<std::mutex> mutex_;
};

// The file's name in the staging folder.
inline constexpr const char* kJournalName = ".tersor-journal";

}  // namespace tersor
