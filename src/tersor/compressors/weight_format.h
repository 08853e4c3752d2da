// What an on-disk format says of a weight, as data: one file per format fills it in, weight_format.cc lists
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

struct WeightFormat {
  std::string_view codes_suffix;  // "weight" or "weight_packed"
  // Element type of the codes' tensor, and the elements in a row of it, for a row of `in` weights.
  DType (*codes_dtype)(const QuantizationArgs& args);
  uint64_t (*codes_columns)(const QuantizationArgs& args, uint64_t in);

  // [rows, cols] codes as quantize_groups gives them ↔ the rows' bytes; null: the codes are the bytes.
  void (*encode)(const QuantizationArgs& args, const QuantizeKernels& kernels, const int8_t* codes,
                 size_t rows, size_t cols, std::byte* bytes) = nullptr;
  void (*decode)(const QuantizationArgs& args, const QuantizeKernels& kernels, const std::byte* bytes,
                 size_t rows, size_t cols, int8_t* codes) = nullptr;

  bool stores_shape = false;         // weight_shape, I64 [2]: [out, in]
  bool stores_global_scale = false;  // weight_global_scale, F32 [1]
  bool packs_zero_points = false;    // per row and group: as a bit stream along the rows
};

const WeightFormat& naive_quantized_format();
const WeightFormat& pack_quantized_format();
const WeightFormat& nvfp4_pack_format();
const WeightFormat& mxfp4_pack_format();
const WeightFormat& mxfp8_format();

// The row of the registry. REQUIRES: not kDense, which stores the weight as it is.
const WeightFormat& weight_format(Format format);

}  // namespace tersor
