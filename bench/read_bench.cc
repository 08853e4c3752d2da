// How to read weights: pread into a buffer or mmap. Two threads read a file in pieces of 4 MB and add up its
// words, from a warm and from a cold page cache; `peak_rss_MB` is what the process held at most.
//
// TERSOR_BENCH_FOLDER (default: the current folder) takes the file, TERSOR_BENCH_GB (default 4) is its size.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tersor/io/file.h"
#include "tersor/parallel/thread_pool.h"

namespace {

using tersor::File;

constexpr uint64_t kMaxPiece = 4 << 20;
constexpr size_t kThreads = 2;

std::filesystem::path bench_path() {
  const char* folder = std::getenv("TERSOR_BENCH_FOLDER");
  return std::filesystem::path(folder != nullptr ? folder : ".") / "read_bench.data";
}

uint64_t bench_bytes() {
  const char* gigabytes = std::getenv("TERSOR_BENCH_GB");
  return static_cast<uint64_t>((gigabytes != nullptr ? std::atof(gigabytes) : 4) * 1e9) / kMaxPiece *
         kMaxPiece;
}

// The file, written once and removed at exit.
const File& bench_file() {
  static const File file = [] {
    File made(bench_path(), File::Open::kCreateReadWrite);
    std::vector<uint64_t> words(kMaxPiece / 8);
    made.allocate(bench_bytes());
    for (uint64_t at = 0; at < bench_bytes(); at += kMaxPiece) {
      std::iota(words.begin(), words.end(), at);
      made.write_at(at, std::as_bytes(std::span(words)));
    }
    made.sync();
    std::atexit([] { std::filesystem::remove(bench_path()); });
    return made;
  }();
  return file;
}

uint64_t rss_bytes() {
  uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

uint64_t sum_words(std::span<const std::byte> bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(bytes.data());
  return std::accumulate(words, words + bytes.size() / 8, uint64_t{0});
}

// Reads every piece with `read(offset, worker)` on two threads; cold drops the page cache before each round.
template <typename Read>
void run(benchmark::State& state, uint64_t piece, bool cold, Read read) {
  const File& file = bench_file();
  tersor::ThreadPool pool(kThreads);
  std::atomic<uint64_t> sum = 0;
  std::vector<uint64_t> peak(kThreads);
  const uint64_t before = rss_bytes();
  for (auto _ : state) {
    if (cold) {
      state.PauseTiming();
      file.drop_cache(0, 0);
      state.ResumeTiming();
    }
    pool.parallel_for(bench_bytes() / piece, [&](size_t index, size_t worker) {
      sum += read(index * piece, worker);
      if (index % 64 == 0) peak[worker] = std::max(peak[worker], rss_bytes());
    });
  }
  benchmark::DoNotOptimize(sum.load());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bench_bytes()));
  const uint64_t most = std::max(before, *std::ranges::max_element(peak));
  state.counters["peak_rss_MB"] = static_cast<double>(most - before) / 1e6;
}

void read_pread(benchmark::State& state, uint64_t piece, bool cold, bool drop) {
  std::vector<std::vector<std::byte>> buffers(kThreads, std::vector<std::byte>(piece));
  const File& file = bench_file();
  run(state, piece, cold, [&](uint64_t offset, size_t worker) {
    file.read_at(offset, buffers[worker]);
    const uint64_t sum = sum_words(buffers[worker]);
    if (drop) file.drop_cache(offset, piece);
    return sum;
  });
}

void read_mmap(benchmark::State& state, uint64_t piece, bool cold, bool unmap) {
  const File& file = bench_file();
  const auto map = [&](uint64_t offset, uint64_t length) {
    void* at = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, file.fd(), static_cast<off_t>(offset));
    if (at == MAP_FAILED) std::abort();
    ::madvise(at, length, MADV_SEQUENTIAL);
    return static_cast<std::byte*>(at);
  };
  std::byte* whole = unmap ? nullptr : map(0, bench_bytes());
  run(state, piece, cold, [&](uint64_t offset, size_t /*worker*/) {
    std::byte* mapped = unmap ? map(offset, piece) : whole + offset;
    const uint64_t sum = sum_words({mapped, piece});
    if (unmap) ::munmap(mapped, piece);
    return sum;
  });
  if (whole != nullptr) ::munmap(whole, bench_bytes());
}

// Google Benchmark keeps what it is given; a round is long, so few are enough.
template <typename Body>
void add(const char* name, int rounds, Body body) {
  benchmark::RegisterBenchmark(name, body)
      ->Iterations(rounds)
      ->UseRealTime()
      ->MeasureProcessCPUTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr uint64_t kSmall = 256 << 10, kMiddle = 1 << 20;
  constexpr bool kWarm = false, kCold = true;
  using benchmark::State;
  add("fill_the_cache", 1, [](State& s) { read_pread(s, kMaxPiece, kWarm, false); });
  add("warm/pread_256k", 3, [](State& s) { read_pread(s, kSmall, kWarm, false); });
  add("warm/pread_1m", 3, [](State& s) { read_pread(s, kMiddle, kWarm, false); });
  add("warm/pread_4m", 3, [](State& s) { read_pread(s, kMaxPiece, kWarm, false); });
  add("warm/mmap_4m_pieces", 3, [](State& s) { read_mmap(s, kMaxPiece, kWarm, true); });
  add("warm/mmap_whole_file", 3, [](State& s) { read_mmap(s, kMaxPiece, kWarm, false); });
  add("cold/pread_256k", 2, [](State& s) { read_pread(s, kSmall, kCold, false); });
  add("cold/pread_1m", 2, [](State& s) { read_pread(s, kMiddle, kCold, false); });
  add("cold/pread_4m", 2, [](State& s) { read_pread(s, kMaxPiece, kCold, false); });
  add("cold/pread_4m_dropping_behind", 2, [](State& s) { read_pread(s, kMaxPiece, kCold, true); });
  add("cold/mmap_4m_pieces", 2, [](State& s) { read_mmap(s, kMaxPiece, kCold, true); });
  add("cold/mmap_whole_file", 2, [](State& s) { read_mmap(s, kMaxPiece, kCold, false); });
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
