// From a weight matrix to the tensors a checkpoint stores for it, and back.
//
// One linear's weight [out, in] becomes the tensors of its format (docs/formats.md, "Layouts"): codes,
// scales, zero points, global scale, shape. Work goes by row blocks, so that memory is set by a block and
// never by a tensor.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_scheme.h"
#include "tersor/tensor/shape.h"

namespace tersor {

// A tensor of the compressed form; its name is `<module>.<suffix>`.
struct StoredTensor {
  std::string suffix;  // "weight_packed", "weight_scale", …
  DType dtype = DType::kBF16;
  Shape shape;
};

// The tensors that a weight [out, in] of `weight_dtype` becomes, in a fixed order. REQUIRES: the scheme has
// weights, is validated, and its groups divide `in` (check_group_fits in load_rules.h says so otherwise).
std::vector<StoredTensor> stored_tensors(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out,
                                         uint64_t in);

// How a weight is cut into row blocks: multiples of this many rows (of the block height, and of 32 where zero
// points are packed along rows).
uint64_t row_alignment(const QuantizationScheme& scheme);

// Whether one scale covers rows of several blocks (strategies tensor and tensor_group): then the whole
// weight, with its fused siblings where the format shares a scale, is observed before a block is compressed.
bool needs_global_range(const QuantizationScheme& scheme);

// The range of rows of a weight, for needs_global_range. max = +infinity when an element is not finite.
MinMax observe_rows(const WeightView& rows, const QuantizeKernels& kernels);

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
  bool finite = true;        // false: the source holds a NaN or an infinity; the pieces are not to be used
};

// Buffers that a thread keeps from block to block.
struct CompressScratch {
  std::vector<int8_t> codes;
  std::vector<float> values;
  std::vector<MinMax> ranges;
};

// Compresses rows [row, row + rows.rows) of a weight [out, in]. `global` is the range of the whole fused set
// where needs_global_range. `row` is a multiple of row_alignment().
BlockStatistics compress_rows(const QuantizationScheme& scheme, uint64_t out, uint64_t row,
                              const WeightView& rows, const MinMax& global, const QuantizeKernels& kernels,
                              CompressScratch& scratch, std::vector<StoredPiece>& pieces);

// The inverse, for verify, inspection and (later) running compressed weights: rows [row, row + count) as f32
// [count, in]. `tensors` are the bytes of the module's stored tensors by suffix, whole.
void decompress_rows(const QuantizationScheme& scheme,
                     const std::map<std::string, std::span<const std::byte>>& tensors, DType weight_dtype,
                     uint64_t out, uint64_t in, uint64_t row, uint64_t count, const QuantizeKernels& kernels,
                     float* values);

}  // namespace tersor
