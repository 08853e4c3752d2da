#include "tersor/backend/cpu/cpu_bf16_weight.h"

#include <algorithm>
#include <new>

#include <omp.h>

#include "tersor/backend/cpu/weight_kernels.h"
#include "tersor/base/checked_math.h"

namespace tersor {
namespace {

// Below this many multiply-adds a product is over before a second thread has begun.
constexpr size_t kSerialWork = 32768;

// Rows that share a widened panel: enough that widening is a few percent, few enough that rows of x stay in
// the second-level cache, and that each thread gets several tasks.
constexpr size_t kLeastRows = 48;
constexpr size_t kMostRows = 384;
constexpr size_t kTasksPerThread = 8;

void fill_block(const uint16_t* weight, size_t outputs, size_t in, uint16_t* block) {
  constexpr size_t kInputs = 32;  // one cache line of an output's row, and a strip of the block in L1
  if (outputs < kBlockOutputs) std::fill_n(block, in * kBlockOutputs, uint16_t{0});
  for (size_t first = 0; first < in; first += kInputs) {
    const size_t end = std::min(in, first + kInputs);
    for (size_t o = 0; o < outputs; ++o) {
      for (size_t i = first; i < end; ++i) block[i * kBlockOutputs + o] = weight[o * in + i];
    }
  }
}

// Every thread reads a part of the weight once, from its beginning to its end.
void multiply_few_rows(const DeviceTensor& x, const Bf16Weight& w, int threads, const DeviceTensor& y) {
  constexpr size_t kParts = kBlockOutputs / kPartOutputs;
  const WeightKernels& kernels = cpu_weight_kernels();
  const size_t parts = ceil_div(w.out, kPartOutputs);
#pragma omp parallel num_threads(threads) if (x.rows * w.in * w.out > kSerialWork)
  {
    const auto thread = static_cast<size_t>(omp_get_thread_num());
    const auto count = static_cast<size_t>(omp_get_num_threads());
    const size_t end = parts * (thread + 1) / count;
    for (size_t part = parts * thread / count; part < end;) {
      const size_t offset = part % kParts, taken = std::min(kParts - offset, end - part);
      const size_t first = part * kPartOutputs;
      kernels.multiply({.x = x.data<float>(),
                        .rows = x.rows,
                        .in = w.in,
                        .block = &w.blocks[part / kParts * kBlockOutputs * w.in + offset * kPartOutputs],
                        .outputs = std::min(taken * kPartOutputs, w.out - first),
                        .y = y.data<float>() + first,
                        .y_stride = w.out,
                        .panel = nullptr});
      part += taken;
    }
  }
}

// Tasks are some rows by a block; those of the same rows follow each other.
void multiply_many_rows(Backend& memory, const DeviceTensor& x, const Bf16Weight& w, int threads,
                        const DeviceTensor& y) {
  const WeightKernels& kernels = cpu_weight_kernels();
  const size_t blocks = ceil_div(w.out, kBlockOutputs);
  const size_t wanted = x.rows * blocks / (kTasksPerThread * static_cast<size_t>(threads));
  const size_t rows = std::clamp(wanted, kLeastRows, kMostRows);
  const size_t tasks = blocks * ceil_div(x.rows, rows);
  const DeviceTensor panels = memory.allocate(DType::kF32, static_cast<size_t>(threads), kPanelFloats);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (size_t task = 0; task < tasks; ++task) {
    const size_t row = task / blocks * rows, block = task % blocks, first = block * kBlockOutputs;
    kernels.multiply(
        {.x = x.data<float>() + row * w.in,
         .rows = std::min(rows, x.rows - row),
         .in = w.in,
         .block = &w.blocks[first * w.in],
         .outputs = std::min(kBlockOutputs, w.out - first),
         .y = y.data<float>() + row * w.out + first,
         .y_stride = w.out,
         .panel = panels.data<float>() + static_cast<size_t>(omp_get_thread_num()) * kPanelFloats});
  }
}

}  // namespace

std::shared_ptr<const Bf16Weight> keep_bf16(const DeviceTensor& weight, int threads) {
  auto kept = std::make_shared<Bf16Weight>();
  kept->out = weight.rows;
  kept->in = weight.cols;
  const size_t blocks = ceil_div(kept->out, kBlockOutputs), block = kBlockOutputs * kept->in;
  kept->blocks = hwy::AllocateAligned<uint16_t>(blocks * block);
  if (kept->blocks == nullptr) throw std::bad_alloc();
  kept->bytes = blocks * block * sizeof(uint16_t);
#pragma omp parallel for num_threads(threads)
  for (size_t b = 0; b < blocks; ++b) {
    fill_block(weight.data<uint16_t>() + b * block, std::min(kBlockOutputs, kept->out - b * kBlockOutputs),
               kept->in, &kept->blocks[b * block]);
  }
  return kept;
}

void multiply_bf16_weight(Backend& memory, const DeviceTensor& x, const Bf16Weight& w, int threads,
                          const DeviceTensor& y) {
  if (x.rows <= kFewRows) {
    multiply_few_rows(x, w, threads, y);
  } else {
    multiply_many_rows(memory, x, w, threads, y);
  }
}

}  // namespace tersor
