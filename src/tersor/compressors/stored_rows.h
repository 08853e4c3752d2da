// Rows of a compressed weight as they lie in its stored tensors: to read back a block of them, and to compare
// them with what compression gives.
#pragma once

#include <optional>
#include <string_view>

#include "tersor/compressors/compressor.h"

namespace tersor {

// [offset, offset + bytes) of a stored tensor.
struct StoredExtent {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// For each of stored_tensors(), in their order, the bytes that rows [row, row + count) need. They are the
// stored tensors of the weight [count, in] that those rows are, and decompress_rows() reads them as such;
// what is said once for a tensor (its scale of strategy tensor, shape, global scale) comes whole with every
// block. `row` and `count` as for compress_rows().
std::vector<StoredExtent> stored_extents(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out,
                                         uint64_t in, uint64_t row, uint64_t count);

// How the stored bytes of one tensor differ from those expected.
struct StoredDifference {
  size_t tensor = 0;          // index into stored_tensors()
  std::string_view what;      // what is counted: "codes", "scales", "zero points", "words" of them, "values"
  uint64_t count = 0;         // those that differ
  uint64_t of = 0;            // those in the tensor
  uint64_t row = 0, col = 0;  // the first that differs, in the tensor's own rows (of codes: the weight's)
  bool only_padding = false;  // nothing but the unused bits behind a row of codes
};

// Compares a piece that compress_rows() made with the bytes found in its place, of the same size; nullopt:
// equal.
std::optional<StoredDifference> compare_piece(const QuantizationScheme& scheme, DType weight_dtype,
                                              uint64_t out, uint64_t in, const StoredPiece& expected,
                                              std::span<const std::byte> found,
                                              const QuantizeKernels& kernels);

}  // namespace tersor
