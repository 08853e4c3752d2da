// Speed of the quantization kernels in bytes of source weights a second, against what the machine can read.
//
//   quantize_bench --benchmark_filter=bf16_to --benchmark_repetitions=5
//
// Each benchmark goes over one block of bf16 rows again and again, which stays in the second-level cache,
// where the pipeline's pread has put it. `of_read` is the share of the bandwidth at which as many threads
// read a matrix larger than the caches, measured at the start. On a shared machine take the best repetition.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "tersor/backend/quantize_kernels.h"

namespace tersor {
namespace {

constexpr size_t kCols = 4096;
constexpr size_t kRows = 16384;  // 128 MiB of bf16
constexpr size_t kBlockRows = 32;

const std::vector<uint16_t>& source_weights() {
  static const std::vector<uint16_t> weights = [] {
    std::mt19937 rng(1);
    std::normal_distribution<float> normal(0, 0.02f);
    std::vector<uint16_t> pattern(kCols * 7 + 13), out(kRows * kCols);
    for (uint16_t& x : pattern) x = bfloat16_from(normal(rng)).bits;
    for (size_t i = 0; i < out.size(); ++i) out[i] = pattern[i % pattern.size()];
    return out;
  }();
  return weights;
}

// The rows of one of `threads` threads.
WeightView share(int thread, int threads) {
  const WeightView all{reinterpret_cast<const std::byte*>(source_weights().data()), DType::kBF16, kRows,
                       kCols};
  const size_t rows = kRows / static_cast<size_t>(threads);
  return all.sub_rows(static_cast<size_t>(thread) * rows, rows);
}

// Bytes a second that `threads` threads read together: the best of a few passes over the source.
double read_bandwidth(int threads) {
  static std::map<int, double> measured;
  if (const auto it = measured.find(threads); it != measured.end()) return it->second;
  const auto sum = [](const WeightView& w) {
    const auto* p = reinterpret_cast<const uint64_t*>(w.data);
    const size_t count = w.rows * w.cols / 4;
    uint64_t lanes[16] = {};
    for (size_t i = 0; i < count; i += 16) {
      for (size_t k = 0; k < 16; ++k) lanes[k] += p[i + k];
    }
    for (uint64_t lane : lanes) benchmark::DoNotOptimize(lane);
  };
  double best = 0;
  for (int pass = 0; pass < 15; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::jthread> pool;
    for (int t = 0; t < threads; ++t) pool.emplace_back([&sum, t, threads] { sum(share(t, threads)); });
    pool.clear();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(2 * kRows * kCols) / seconds.count());
  }
  return measured[threads] = best;
}

// What a pipeline is made of, with buffers for one block of rows.
struct Work {
  const QuantizeKernels& k;
  std::vector<MinMax> ranges = std::vector<MinMax>(kBlockRows * kCols / 16);
  std::vector<float> scales = std::vector<float>(kBlockRows * kCols / 16, 0.01f);
  std::vector<int8_t> zero_points = std::vector<int8_t>(kBlockRows * kCols / 16, 0);
  std::vector<int8_t> codes = std::vector<int8_t>(kBlockRows * kCols);
  std::vector<uint32_t> words = std::vector<uint32_t>(kBlockRows * kCols / 4);
  std::vector<float> values = std::vector<float>(kBlockRows * kCols);

  void ranges_to_scales(size_t count, const CodeSpec& spec, bool symmetric, ScaleStorage storage) {
    k.ranges_to_scales(ranges.data(), count, spec, symmetric, storage, scales.data(),
                       symmetric ? nullptr : zero_points.data());
  }
};

using Step = void (*)(Work&, const WeightView& block);

void run(benchmark::State& state, const QuantizeKernels* kernels, Step step) {
  Work work{*kernels};
  const WeightView block = share(state.thread_index(), state.threads()).sub_rows(0, kBlockRows);
  for (auto _ : state) {
    step(work, block);
    benchmark::ClobberMemory();
  }
  const auto bytes = static_cast<double>(state.iterations()) * static_cast<double>(2 * kBlockRows * kCols);
  state.counters["source"] = benchmark::Counter(bytes, benchmark::Counter::kIsRate);
  state.counters["of_read"] =
      benchmark::Counter(bytes / read_bandwidth(state.threads()), benchmark::Counter::kIsRate);
}

// range → scale → codes, and their error where asked, in groups of consecutive columns.
template <size_t kGroup, CodeKind kKind, int kBits, bool kSymmetric, ScaleStorage kStorage,
          bool kMeasured = true>
void quantize(Work& work, const WeightView& block) {
  const CodeSpec spec{kKind, kBits};
  const size_t groups = block.rows * block.cols / kGroup;
  work.k.minmax_groups(block, kGroup, work.ranges.data());
  work.ranges_to_scales(groups, spec, kSymmetric, kStorage);
  if (!kMeasured) {
    work.k.quantize_groups(block, kGroup, spec, work.scales.data(),
                           kSymmetric ? nullptr : work.zero_points.data(), work.codes.data());
    return;
  }
  double error = 0, norm = 0;
  work.k.quantize_and_measure(block, kGroup, spec, work.scales.data(),
                              kSymmetric ? nullptr : work.zero_points.data(), work.codes.data(), &error,
                              &norm);
  benchmark::DoNotOptimize(error + norm);
}

// fp8 of blocks of 128 columns and all rows: the rows of a block share its scales.
template <bool kMeasured>
void quantize_blocks(Work& work, const WeightView& block) {
  constexpr size_t kGroup = 128;
  const CodeSpec spec{CodeKind::kFloat8, 8};
  const size_t groups = block.cols / kGroup;
  work.k.minmax_groups(block, kGroup, work.ranges.data());
  for (size_t r = 1; r < block.rows; ++r) {
    for (size_t g = 0; g < groups; ++g) {
      MinMax& all = work.ranges[g];
      const MinMax& one = work.ranges[r * groups + g];
      all = {std::min(all.min, one.min), std::max(all.max, one.max)};
    }
  }
  work.ranges_to_scales(groups, spec, true, ScaleStorage::kBFloat16);
  for (size_t r = 1; r < block.rows; ++r) {
    std::copy_n(work.scales.begin(), groups, work.scales.begin() + static_cast<ptrdiff_t>(r * groups));
  }
  if (!kMeasured) {
    work.k.quantize_groups(block, kGroup, spec, work.scales.data(), nullptr, work.codes.data());
    return;
  }
  double error = 0, norm = 0;
  work.k.quantize_and_measure(block, kGroup, spec, work.scales.data(), nullptr, work.codes.data(), &error,
                              &norm);
  benchmark::DoNotOptimize(error + norm);
}

template <size_t kGroup, int kBits, bool kSymmetric>
void quantize_and_pack(Work& work, const WeightView& block) {
  quantize<kGroup, CodeKind::kInt, kBits, kSymmetric, ScaleStorage::kBFloat16>(work, block);
  for (size_t r = 0; r < block.rows; ++r) {
    work.k.pack_row(&work.codes[r * kCols], kCols, kBits, &work.words[r * kCols * kBits / 32]);
  }
}

template <size_t kGroup, ScaleStorage kStorage>
void quantize_fp4(Work& work, const WeightView& block) {
  quantize<kGroup, CodeKind::kFloat4, 4, true, kStorage>(work, block);
  work.k.pack_nibbles(work.codes.data(), block.rows * kCols, reinterpret_cast<uint8_t*>(work.words.data()));
}

template <size_t kGroup, CodeKind kKind, int kBits, bool kSymmetric>
void mse(Work& work, const WeightView& block) {
  work.k.mse_groups(block, kGroup, {kKind, kBits}, kSymmetric, ScaleStorage::kBFloat16, {}, nullptr,
                    work.ranges.data());
}

template <int kBits>
void pack(Work& work, const WeightView& block) {
  for (size_t r = 0; r < block.rows; ++r) {
    work.k.pack_row(&work.codes[r * kCols], kCols, kBits, &work.words[r * kCols * kBits / 32]);
  }
}

struct Named {
  const char* name;
  Step step;
};
constexpr auto kBF16 = ScaleStorage::kBFloat16;
const Named kSteps[] = {
    {"minmax/g16", [](Work& w, const WeightView& b) { w.k.minmax_groups(b, 16, w.ranges.data()); }},
    {"minmax/g32", [](Work& w, const WeightView& b) { w.k.minmax_groups(b, 32, w.ranges.data()); }},
    {"minmax/g128", [](Work& w, const WeightView& b) { w.k.minmax_groups(b, 128, w.ranges.data()); }},
    {"minmax/row", [](Work& w, const WeightView& b) { w.k.minmax_groups(b, kCols, w.ranges.data()); }},
    {"bf16_to_fp8/row", quantize<kCols, CodeKind::kFloat8, 8, true, kBF16>},
    {"bf16_to_fp8/g128", quantize<128, CodeKind::kFloat8, 8, true, kBF16>},
    {"bf16_to_fp8/block128", quantize_blocks<true>},
    {"codes_fp8/block128", quantize_blocks<false>},
    {"codes_fp8/row", quantize<kCols, CodeKind::kFloat8, 8, true, kBF16, false>},
    {"codes_fp8/g128", quantize<128, CodeKind::kFloat8, 8, true, kBF16, false>},
    {"codes_int8/row", quantize<kCols, CodeKind::kInt, 8, true, kBF16, false>},
    {"codes_int4/g128", quantize<128, CodeKind::kInt, 4, true, kBF16, false>},
    {"bf16_to_mxfp8/g32", quantize<32, CodeKind::kFloat8, 8, true, ScaleStorage::kE8M0>},
    {"bf16_to_int8/row", quantize<kCols, CodeKind::kInt, 8, true, kBF16>},
    {"bf16_to_int4/g128", quantize_and_pack<128, 4, true>},
    {"bf16_to_int4/g64", quantize_and_pack<64, 4, true>},
    {"bf16_to_int4/g32", quantize_and_pack<32, 4, true>},
    {"bf16_to_int4_asym/g128", quantize_and_pack<128, 4, false>},
    {"bf16_to_int3/g128", quantize_and_pack<128, 3, true>},
    {"bf16_to_nvfp4/g16", quantize_fp4<16, ScaleStorage::kFloat32>},
    {"bf16_to_mxfp4/g32", quantize_fp4<32, ScaleStorage::kE8M0>},
    {"quantize_fp8/row",
     [](Work& w, const WeightView& b) {
       w.k.quantize_groups(b, kCols, {CodeKind::kFloat8, 8}, w.scales.data(), nullptr, w.codes.data());
     }},
    {"quantize_int8/row",
     [](Work& w, const WeightView& b) {
       w.k.quantize_groups(b, kCols, {}, w.scales.data(), nullptr, w.codes.data());
     }},
    {"pack/2", pack<2>},
    {"pack/3", pack<3>},
    {"pack/4", pack<4>},
    {"pack/5", pack<5>},
    {"pack/8", pack<8>},
    {"dequantize_fp8/row",
     [](Work& w, const WeightView& b) {
       w.k.dequantize_groups(w.codes.data(), b.rows, kCols, kCols, {CodeKind::kFloat8, 8}, w.scales.data(),
                             nullptr, w.values.data());
     }},
    {"dequantize_int4/g128",
     [](Work& w, const WeightView& b) {
       w.k.dequantize_groups(w.codes.data(), b.rows, kCols, 128, {CodeKind::kInt, 4}, w.scales.data(),
                             nullptr, w.values.data());
     }},
    {"squared_error",
     [](Work& w, const WeightView& b) {
       double error = 0, norm = 0;
       w.k.squared_error(b, w.values.data(), &error, &norm);
       benchmark::DoNotOptimize(error + norm);
     }},
    {"mse_int4/g128", mse<128, CodeKind::kInt, 4, true>},
    {"mse_int4_asym/g128", mse<128, CodeKind::kInt, 4, false>},
    {"mse_fp8/row", mse<kCols, CodeKind::kFloat8, 8, true>},
    {"mse_fp4/g16", mse<16, CodeKind::kFloat4, 4, true>},
};

}  // namespace
}  // namespace tersor

int main(int argc, char** argv) {
  using namespace tersor;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  for (int threads : {1, cores}) {
    std::printf("read bandwidth, %d thread%s: %.1f GB/s\n", threads, threads == 1 ? "" : "s",
                read_bandwidth(threads) / 1e9);
  }
  for (const QuantizeKernels* kernels : supported_quantize_kernels()) {
    for (const Named& named : kSteps) {
      const std::string name = std::string(named.name) + "/" + kernels->name;
      const auto body = [kernels, step = named.step](benchmark::State& state) { run(state, kernels, step); };
      benchmark::RegisterBenchmark(name.c_str(), body)->Threads(1)->Threads(cores)->UseRealTime();
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
