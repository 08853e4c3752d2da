// The sizes that a scheme gives one weight: which elements share a scale, and the order of the stored
// tensors.
#pragma once

#include <cstdint>

#include "tersor/compressors/compressor.h"
#include "tersor/compressors/weight_format.h"

namespace tersor {

// Scales as a grid [rows, cols] laid over a weight [out, in]; each covers span_rows × span_cols elements,
// less at the right and lower edges.
struct ScaleGrid {
  uint64_t span_rows = 1;
  uint64_t span_cols = 1;
  uint64_t rows = 1;
  uint64_t cols = 1;
};

struct WeightLayout {
  const QuantizationArgs* args;
  const WeightFormat* format;
  uint64_t out;
  uint64_t in;
  ScaleGrid grid;
  DType scale_dtype;

  // Columns that the kernels take as one group: they divide a row, and a scale's span is whole groups of them
  // but at the right edge.
  uint64_t kernel_group;

  // Positions in stored_tensors().
  static constexpr size_t kCodes = 0;
  static constexpr size_t kScales = 1;
  size_t shape = 0;
  size_t global_scale = 0;
  size_t zero_points = 0;

  uint64_t codes_row_bytes() const {
    return format->codes_columns(*args, in) * dtype_size(format->codes_dtype(*args));
  }
  // One scale for the tensor.
  bool is_per_tensor() const { return args->strategy == Strategy::kTensor; }
  // Zero points as a bit stream along the rows.
  bool has_packed_zero_points() const {
    return !args->symmetric && format->packs_zero_points && !is_per_tensor();
  }
};

// REQUIRES: as stored_tensors().
WeightLayout weight_layout(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out, uint64_t in);

}  // namespace tersor
