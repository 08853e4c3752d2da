// Loops of weight solvers in SIMD: GPTQ's inner loop on a strip of output rows, column statistics.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tersor/backend/quantize_kernels.h"

namespace tersor {

// Output rows that are solved side by side: the widest vector's lanes divide it, and 128 columns of it are 16
// KB.
constexpr size_t kSolveStrip = 32;

// What a strip is solved with; see Backend::solve_columns.
struct SolveStrip {
  CodeSpec spec;
  size_t n = 0;                        // columns
  const float* factor = nullptr;       // [n, n]
  const float* scales = nullptr;       // [n, kSolveStrip], aligned; 1 behind the last row
  const float* zero_points = nullptr;  // [n, kSolveStrip], aligned
};

// One table per SIMD target, chosen at run time.
struct SolveKernels {
  const char* name;
  // tile, errors, codes: [n, kSolveStrip], aligned; the tile holds weights, then their rounded values.
  void (*solve_columns)(const SolveStrip& strip, float* tile, float* errors, int8_t* codes);
  // sums[c] += x[c] · y[c].
  void (*add_products)(const float* x, const float* y, size_t n, float* sums);
  // range[0], range[1]: the least and the largest of x; NaN where it holds one.
  void (*row_range)(const float* x, size_t n, float* range);
};

// Null where the CPU has no fused multiply-add: then the reference back end runs.
const SolveKernels* cpu_solve_kernels();

}  // namespace tersor
