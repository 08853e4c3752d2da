// Does early writeback shorten the end? A file is claimed and written in pieces of 4 MB, then synced, with
// and without start_writeback() on each finished piece. `sync_ms` is the wait at the end.
//
// TERSOR_BENCH_FOLDER (default: the current folder) takes the file, TERSOR_BENCH_GB (default 4) is its size.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <benchmark/benchmark.h>

#include "tersor/io/file.h"

namespace {

using tersor::File;

constexpr uint64_t kPiece = 4 << 20;

void write_file(benchmark::State& state, bool early, bool claim) {
  const char* folder = std::getenv("TERSOR_BENCH_FOLDER");
  const char* gigabytes = std::getenv("TERSOR_BENCH_GB");
  const auto path = std::filesystem::path(folder != nullptr ? folder : ".") / "write_bench.data";
  const uint64_t bytes = static_cast<uint64_t>((gigabytes != nullptr ? std::atof(gigabytes) : 4) * 1e9);
  const std::vector<std::byte> piece(kPiece, std::byte{42});
  double sync_seconds = 0;
  for (auto _ : state) {
    const File file(path, File::Open::kCreateReadWrite);
    if (claim) file.allocate(bytes);
    for (uint64_t at = 0; at + kPiece <= bytes; at += kPiece) {
      file.write_at(at, piece);
      if (early) file.start_writeback(at, kPiece);
    }
    const auto start = std::chrono::steady_clock::now();
    file.sync();
    sync_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state.PauseTiming();
    std::filesystem::remove(path);
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
  state.counters["sync_ms"] = 1000 * sync_seconds / static_cast<double>(state.iterations());
}

BENCHMARK_CAPTURE(write_file, claimed_sync_at_the_end, false, true)
    ->Iterations(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_file, claimed_early_writeback, true, true)
    ->Iterations(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_file, unclaimed_sync_at_the_end, false, false)
    ->Iterations(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_file, unclaimed_early_writeback, true, false)
    ->Iterations(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
