// From a weight matrix to the tensors a checkpoint stores for it, and back.
//
// One linear's weight [out, in] becomes the tensors of its format (docs/formats.md, "Layouts"): codes,
// scales, zero points, global scale, shape. Work goes by row blocks, so that memory is set by a block and
// never by a tensor:
//
//   for pass in 0 … observation_passes() - 1:          (none for most schemes)
//     observe_rows() every block, merge() in row order, finish_pass()
//   compress_rows() every block
//
// Every function is pure but for the scratch it is given: blocks may be worked on by different threads, each
// with its own scratch.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/column_scales.h"
#include "tersor/quantization/qparams.h"
#include "tersor/quantization/quantization_scheme.h"
#include "tersor/tensor/shape.h"

namespace tersor {

// A tensor of the compressed form; its name is `<module>.<suffix>`.
struct StoredTensor {
  std::string suffix;  // "weight_packed", "weight_scale", …
  DType dtype = DType::kBF16;
  Shape shape;

  bool operator==(const StoredTensor&) const = default;
};

// The tensors that a weight [out, in] of `weight_dtype` becomes, in a fixed order. REQUIRES: the scheme has
// weights, is validated, and its groups divide `in` (check_group_fits in load_rules.h says so otherwise).
std::vector<StoredTensor> stored_tensors(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out,
                                         uint64_t in);

// The tensors that a module with this scheme has for its activations, where calibration measures them:
// input_scale (and input_zero_point) of static ones, input_global_scale of NVFP4's, output_scale. Each holds
// one element.
std::vector<StoredTensor> activation_tensors(const QuantizationScheme& scheme, DType weight_dtype);

// How a weight is cut into row blocks: multiples of this many rows (of the block height, and of 32 where zero
// points are packed along rows).
uint64_t row_alignment(const QuantizationScheme& scheme);

// How often the whole weight is read before a block of it can be compressed: 0, all scales are local to a row
// block; 1, one range over the tensor or the fused set (strategies tensor and tensor_group); 2, that range
// and then the errors of the mse observer's grid on it (strategy tensor).
int observation_passes(const QuantizationScheme& scheme);

// Whether the observation is that of the whole fused set, not of one tensor (tensor_group: NVFP4's global
// scale). The blocks of every member are then merged into one observation.
bool shares_range_across_fused_set(const QuantizationScheme& scheme);

// What the passes learn.
struct Observation {
  MinMax range;                     // from pass 0 on; after pass 1 the range that the grid search chose
  std::vector<double> grid_errors;  // pass 1: Σ|Q(x) - x|^norm for each step of the grid
  bool finite = true;               // false: the rows hold a NaN or an infinity, and range has no meaning
  // Of observer imatrix_mse: Σ x_j² of each input column over calibration tokens, in any unit; else empty.
  std::vector<float> importance;
};

// Buffers that a thread keeps from block to block.
struct CompressScratch {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int8_t> zero_points;
  std::vector<int8_t> block_zero_points;
  std::vector<MinMax> ranges;
  std::vector<MinMax> unit_ranges;
  std::vector<std::byte> tile;
  QParams qparams;
};

// Observes one row block in pass `pass`; `before` is the merged and finished observation of the pass before
// (empty in pass 0).
Observation observe_rows(const QuantizationScheme& scheme, const WeightView& rows, int pass,
                         const Observation& before, const QuantizeKernels& kernels, CompressScratch& scratch);

// Adds the next block's observation of the same pass. Called in row order, so that sums of floating-point
// numbers do not depend on threads.
void merge(Observation& observation, const Observation& next);

// Ends a pass: after pass 1 of the grid search, chooses the range.
void finish_pass(const QuantizationScheme& scheme, DType weight_dtype, int pass, Observation& observation);

// Bytes of one stored tensor that a row block produced: they go to [offset, offset + bytes.size()) of the
// tensor.
struct StoredPiece {
  size_t tensor = 0;  // index into stored_tensors()
  uint64_t offset = 0;
  std::vector<std::byte> bytes;
};

// What a row block tells beside its bytes.
struct BlockStatistics {
  double squared_error = 0;  // ‖W - Ŵ‖² over the block
  double squared_norm = 0;   // ‖W‖²
  uint64_t zero_groups = 0;  // scales over nothing but zeros
  bool finite = true;        // false: the source holds a NaN or an infinity; the pieces are not to be used
};

// Compresses rows [row, row + rows.rows) of a weight [out, in]. `observation` is that of the last pass (empty
// when there is none). `row` is a multiple of row_alignment(), and so is rows.rows but for the last block.
// `pieces` is overwritten; its buffers are reused.
BlockStatistics compress_rows(const QuantizationScheme& scheme, uint64_t out, uint64_t row,
                              const WeightView& rows, const Observation& observation,
                              const QuantizeKernels& kernels, CompressScratch& scratch,
                              std::vector<StoredPiece>& pieces);

// The scales that stored tensors hold, whole, as a solver takes them. Throws as decompress_rows().
ColumnScales stored_column_scales(const QuantizationScheme& scheme,
                                  const std::map<std::string, std::span<const std::byte>>& tensors,
                                  DType weight_dtype, uint64_t out, uint64_t in);

// The bytes of the codes' tensor, stored_tensors()[0], for codes [out, in] that a solver chose under the same
// scales.
std::vector<std::byte> encode_codes(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out,
                                    uint64_t in, std::span<const int8_t> codes,
                                    const QuantizeKernels& kernels);

// The inverse, for verify, inspection and (later) running compressed weights: rows [row, row + count) as f32
// [count, in]. `tensors` are the bytes of the module's stored tensors by suffix, whole. Throws Error(kInput)
// when one is missing or has another size than stored_tensors() says.
void decompress_rows(const QuantizationScheme& scheme,
                     const std::map<std::string, std::span<const std::byte>>& tensors, DType weight_dtype,
                     uint64_t out, uint64_t in, uint64_t row, uint64_t count, const QuantizeKernels& kernels,
                     float* values);

}  // namespace tersor
