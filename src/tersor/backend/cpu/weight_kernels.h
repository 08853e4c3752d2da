// Products of f32 rows with weights that are kept in bf16, in SIMD.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tersor {

// A weight [out, in] is kept in blocks of this many outputs, a block as [in][kBlockOutputs]: what one input
// is multiplied by lies side by side. Outputs behind the last are zeros.
constexpr size_t kBlockOutputs = 64;
// Threads share a weight in these parts of a block: a cache line of bf16.
constexpr size_t kPartOutputs = 32;
// Up to here a product waits for the weights from memory, and widens them in registers.
constexpr size_t kFewRows = 12;
// Inputs that are widened at a time: 128 KiB of f32, which leave room in the second-level cache.
constexpr size_t kPanelDepth = 512;
constexpr size_t kPanelFloats = kPanelDepth * kBlockOutputs;

// y[r, c] = Σ x[r, i] · block[i, c], for c < outputs.
struct WeightProduct {
  const float* x;  // [rows, in]
  size_t rows;
  size_t in;
  const uint16_t* block;  // or a later part of one
  size_t outputs;         // up to kBlockOutputs less those before
  float* y;
  size_t y_stride;
  float* panel;  // scratch of kPanelFloats, aligned to 64 bytes; of more than kFewRows rows
};

// One table per SIMD target, chosen at run time.
struct WeightKernels {
  const char* name;
  void (*multiply)(const WeightProduct& product);
};

const WeightKernels& cpu_weight_kernels();
// One table per SIMD target that this CPU runs: for tests. Not to be called while another thread calls
// cpu_weight_kernels().
std::vector<const WeightKernels*> supported_weight_kernels();

}  // namespace tersor
