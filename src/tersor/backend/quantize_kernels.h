// The arithmetic that touches every weight: ranges, scales to codes, codes to bits.
//
// Two implementations give the same bits: `reference` (plain loops) and `cpu` (SIMD, chosen at run time). All
// arithmetic is f32: x / scale is one correctly rounded f32 division by the scale AS STORED, then round half
// to even, then clamp. Every function is pure and may run on several threads at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tersor/tensor/matrix_view.h"

namespace tersor {

// Smallest and largest element of one group, zero included (min <= 0 <= max). A group with a NaN or an
// infinity is {0, +infinity}.
struct MinMax {
  float min = 0;
  float max = 0;
};

// How codes are made of real numbers.
enum class CodeKind {
  kInt,     // round half to even, clamp to [qmin, qmax]
  kFloat8,  // e4m3fn, saturating at 448
  kFloat4,  // e2m1, saturating at 6; codes 0..15, sign in bit 3
};

struct CodeSpec {
  CodeKind kind = CodeKind::kInt;
  int num_bits = 8;  // of kInt: 1..8
};

// What a grid search over shrunken ranges minimises (observers `mse`, `memoryless_mse`, `imatrix_mse`).
struct MseGrid {
  double maxshrink = 0.20;
  int grid = 100;
  double norm = 2.4;
  int patience = 5;  // 0: never stop early
  // Above 0: what divides is the scale as NVFP4 stores it, nvfp4_scale (range_to_scale.h) over this one.
  float nvfp4_global_scale = 0;

  int num_steps() const { return std::max(0, static_cast<int>(maxshrink * grid)); }
  // The i-th fraction of the range.
  float fraction(int i) const { return static_cast<float>(1.0 - static_cast<double>(i) / grid); }
};

// How a scale is stored, hence rounded before it divides.
enum class ScaleStorage { kFloat32, kBFloat16, kFloat16, kE8M0 };

// One implementation of the kernels. Shapes: `w` is [rows, cols]; groups of `group_size` consecutive columns
// (group_size divides cols); G = cols / group_size; per-group outputs are [rows, G] row-major.
struct QuantizeKernels {
  const char* name;  // "reference", "AVX2", "AVX3", …

  // out[r * G + g] = range of the group.
  void (*minmax_groups)(const WeightView& w, size_t group_size, MinMax* out);

  // The range p·[min, max] of each group, p = 1 - i/grid for i = 0 … maxshrink·grid - 1, whose quantization
  // error Σ |Q(x) - x|^norm is least (the first of equals); a group stops after `patience` steps without
  // improvement. Q uses the scale (and zero point) that the range gives, rounded to `storage` (with
  // grid.nvfp4_global_scale: to fp8). `importance` is null or [cols]: each column's error is multiplied by
  // it.
  void (*mse_groups)(const WeightView& w, size_t group_size, const CodeSpec& spec, bool symmetric,
                     ScaleStorage storage, const MseGrid& grid, const float* importance, MinMax* out);

  // The same search for one range over a tensor that comes in row blocks: errors[i] += Σ |Q_i(x) - x|^norm
  // over the block, i = 0 … maxshrink·grid - 1 (num_steps), row after row, so that blocks in order give the
  // same sums as the whole. `range` covers the block and is finite.
  void (*mse_grid_errors)(const WeightView& w, const MinMax& range, const CodeSpec& spec, bool symmetric,
                          ScaleStorage storage, const MseGrid& grid, double* errors);

  // range_to_scale (range_to_scale.h) of each range; `zero_points` may be null when symmetric.
  void (*ranges_to_scales)(const MinMax* ranges, size_t count, const CodeSpec& spec, bool symmetric,
                           ScaleStorage storage, float* scales, int8_t* zero_points);

  // NVFP4: stored[i] = nvfp4_scale (range_to_scale.h) of ranges[i], scales[i] = its value / global_scale.
  void (*nvfp4_scales)(const MinMax* ranges, size_t count, ScaleStorage storage, float global_scale,
                       uint8_t* stored, float* scales);

  // codes[r * cols + c] = code of w[r, c] / scale[r * G + g] + zero_point. kInt: int8 values; kFloat8 and
  // kFloat4: the code in the low bits. `zero_points` null: symmetric. For kFloat8/kFloat4 an x of -0.0 gives
  // code 0.
  void (*quantize_groups)(const WeightView& w, size_t group_size, const CodeSpec& spec, const float* scales,
                          const int8_t* zero_points, int8_t* codes);

  // quantize_groups, and what is lost: adds ‖W - Ŵ‖² and ‖W‖² to the two sums, Ŵ being the codes' values. The
  // codes are the same bits everywhere; the sums are made of f32 ones and differ between implementations, in
  // relative terms by at most 2^-24 times the elements of a lane (64 groups over 16 lanes at least).
  void (*quantize_and_measure)(const WeightView& w, size_t group_size, const CodeSpec& spec,
                               const float* scales, const int8_t* zero_points, int8_t* codes, double* error,
                               double* norm);

  // values[r * cols + c] = (code - zero_point) * scale in f32: the inverse of quantize_groups.
  void (*dequantize_groups)(const int8_t* codes, size_t rows, size_t cols, size_t group_size,
                            const CodeSpec& spec, const float* scales, const int8_t* zero_points,
                            float* values);

  // One row of signed codes of `bits` bits (1..8) as a little-endian bit stream of u = code + 2^(bits-1);
  // words has ceil(count * bits / 32) entries, unused high bits zero.
  void (*pack_row)(const int8_t* codes, size_t count, int bits, uint32_t* words);
  void (*unpack_row)(const uint32_t* words, size_t count, int bits, int8_t* codes);

  // Two 4-bit codes a byte, even column in the low nibble; count is even.
  void (*pack_nibbles)(const int8_t* codes, size_t count, uint8_t* bytes);
  void (*unpack_nibbles)(const uint8_t* bytes, size_t count, int8_t* codes);

  // Adds ‖w - values‖² and ‖w‖² to *error and *norm, row after row (lane_sum.h); values [rows, cols].
  void (*squared_error)(const WeightView& w, const float* values, double* error, double* norm);
};

// Plain loops, always built.
const QuantizeKernels& reference_quantize_kernels();
// The best that this CPU runs (Highway's dynamic dispatch).
const QuantizeKernels& cpu_quantize_kernels();
// The reference, then one table per SIMD target that this CPU runs: for tests and benchmarks. Not to be
// called while another thread calls cpu_quantize_kernels().
std::vector<const QuantizeKernels*> supported_quantize_kernels();

}  // namespace tersor
