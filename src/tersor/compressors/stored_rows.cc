#include "tersor/compressors/stored_rows.h"

#include <cstring>

#include "tersor/base/checked_math.h"
#include "tersor/compressors/weight_layout.h"

namespace tersor {
namespace {

// The codes of one row; `bytes` may lie at any address, the decoders read whole words.
void decode_row(const WeightLayout& layout, const std::byte* bytes, const QuantizeKernels& kernels,
                std::vector<int8_t>& codes) {
  codes.resize(layout.in);
  if (!layout.format->decode) {
    std::memcpy(codes.data(), bytes, layout.in);
    return;
  }
  std::vector<uint32_t> aligned(ceil_div(layout.codes_row_bytes(), 4));
  std::memcpy(aligned.data(), bytes, layout.codes_row_bytes());
  layout.format->decode(*layout.args, kernels, reinterpret_cast<const std::byte*>(aligned.data()), 1,
                        layout.in, codes.data());
}

// Keeps the first place.
void count(StoredDifference& difference, uint64_t row, uint64_t col) {
  if (difference.count++ == 0) {
    difference.row = row;
    difference.col = col;
  }
}

void compare_codes(const WeightLayout& layout, const StoredPiece& expected, std::span<const std::byte> found,
                   const QuantizeKernels& kernels, StoredDifference& difference) {
  const uint64_t row_bytes = layout.codes_row_bytes();
  const uint64_t first = expected.offset / row_bytes;
  std::vector<int8_t> want, have;
  std::optional<uint64_t> padding_row;
  for (uint64_t r = 0; r * row_bytes < found.size(); ++r) {
    const std::byte* a = expected.bytes.data() + r * row_bytes;
    const std::byte* b = found.data() + r * row_bytes;
    if (std::memcmp(a, b, row_bytes) == 0) continue;
    decode_row(layout, a, kernels, want);
    decode_row(layout, b, kernels, have);
    const uint64_t before = difference.count;
    for (uint64_t c = 0; c < layout.in; ++c) {
      if (want[c] != have[c]) count(difference, first + r, c);
    }
    if (difference.count == before && !padding_row) padding_row = first + r;
  }
  if (difference.count == 0 && padding_row) {
    difference.only_padding = true;
    count(difference, *padding_row, layout.in);
  }
}

void compare_elements(const StoredPiece& expected, std::span<const std::byte> found, uint64_t size,
                      uint64_t cols, StoredDifference& difference) {
  for (uint64_t at = 0; at < found.size(); at += size) {
    if (std::memcmp(expected.bytes.data() + at, found.data() + at, size) == 0) continue;
    const uint64_t index = (expected.offset + at) / size;
    count(difference, index / cols, index % cols);
  }
}

}  // namespace

std::vector<StoredExtent> stored_extents(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out,
                                         uint64_t in, uint64_t row, uint64_t count) {
  const WeightLayout layout = weight_layout(scheme, weight_dtype, out, in);
  const std::vector<StoredTensor> whole = stored_tensors(scheme, weight_dtype, out, in);
  const std::vector<StoredTensor> block = stored_tensors(scheme, weight_dtype, count, in);
  std::vector<StoredExtent> extents;
  for (size_t i = 0; i < whole.size(); ++i) {
    const uint64_t bytes = *num_bytes(block[i].shape, block[i].dtype);
    const bool once = i != WeightLayout::kCodes &&
                      (layout.is_per_tensor() || (layout.format->stores_shape && i == layout.shape) ||
                       (layout.format->stores_global_scale && i == layout.global_scale));
    uint64_t first = row;  // in the tensor's rows
    if (i != WeightLayout::kCodes) first = row / layout.grid.span_rows;
    if (layout.has_packed_zero_points() && i == layout.zero_points)
      first = row * static_cast<uint64_t>(layout.args->num_bits) / 32;
    const uint64_t row_bytes = once ? 0 : whole[i].shape[1] * dtype_size(whole[i].dtype);
    extents.push_back({.offset = first * row_bytes, .bytes = bytes});
  }
  return extents;
}

std::optional<StoredDifference> compare_piece(const QuantizationScheme& scheme, DType weight_dtype,
                                              uint64_t out, uint64_t in, const StoredPiece& expected,
                                              std::span<const std::byte> found,
                                              const QuantizeKernels& kernels) {
  if (std::memcmp(expected.bytes.data(), found.data(), found.size()) == 0) return std::nullopt;
  const WeightLayout layout = weight_layout(scheme, weight_dtype, out, in);
  const StoredTensor tensor = stored_tensors(scheme, weight_dtype, out, in)[expected.tensor];
  StoredDifference difference{.tensor = expected.tensor, .what = "values"};
  difference.of = *num_elements(tensor.shape);
  if (expected.tensor == WeightLayout::kCodes) {
    difference.what = "codes";
    difference.of = out * in;
    compare_codes(layout, expected, found, kernels, difference);
    return difference;
  }
  if (expected.tensor == WeightLayout::kScales) difference.what = "scales";
  if (!layout.args->symmetric && expected.tensor == layout.zero_points)
    difference.what = layout.has_packed_zero_points() ? "words of zero points" : "zero points";
  compare_elements(expected, found, dtype_size(tensor.dtype),
                   tensor.shape.size() == 2 ? tensor.shape[1] : difference.of, difference);
  return difference;
}

}  // namespace tersor
