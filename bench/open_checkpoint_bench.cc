// Time to open a checkpoint: config, index and the headers of every shard. Give folders in
// TERSOR_CHECKPOINTS, colon-separated (scripts/make_sparse_checkpoint.py makes them without a download).
#include <cstdlib>
#include <sstream>
#include <string>

#include <benchmark/benchmark.h>

#include "tersor/io/checkpoint.h"

namespace {

void open(benchmark::State& state, const std::string& folder) {
  size_t tensors = 0, shards = 0;
  for (auto _ : state) {
    const tersor::Checkpoint checkpoint = tersor::open_checkpoint(folder);
    tensors = checkpoint.tensors.size();
    shards = checkpoint.shards.size();
  }
  state.counters["shards"] = static_cast<double>(shards);
  state.counters["tensors"] = static_cast<double>(tensors);
}

// Headers written back: the layout of every shard.
void layout(benchmark::State& state, const std::string& folder) {
  tersor::Checkpoint checkpoint = tersor::open_checkpoint(folder);
  for (auto _ : state) {
    for (tersor::Shard& shard : checkpoint.shards)
      benchmark::DoNotOptimize(tersor::layout_safetensors(shard.header.tensors, {{"format", "pt"}}));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* folders = std::getenv("TERSOR_CHECKPOINTS");
  std::istringstream list(folders != nullptr ? folders : "");
  for (std::string folder; std::getline(list, folder, ':');) {
    const std::string name = folder.substr(folder.rfind('/') + 1);
    benchmark::RegisterBenchmark(("open/" + name).c_str(), open, folder)
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("layout/" + name).c_str(), layout, folder)
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
