// Stored tensors back to weights.
#include <cstring>

#include <fmt/format.h>

#include "tersor/base/checked_math.h"
#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/compressors/weight_layout.h"

namespace tersor {
namespace {

using TensorBytes = std::map<std::string, std::span<const std::byte>>;

// The bytes of one stored tensor, of the size that its shape says.
std::span<const std::byte> bytes_of(const TensorBytes& tensors, const StoredTensor& tensor) {
  const auto found = tensors.find(tensor.suffix);
  if (found == tensors.end()) {
    throw input_error(fmt::format("the compressed weight has no tensor `{}`, expected {} {}", tensor.suffix,
                                  dtype_name(tensor.dtype), to_string(tensor.shape)));
  }
  const std::optional<uint64_t> size = num_bytes(tensor.shape, tensor.dtype);
  if (!size || found->second.size() != *size) {
    throw input_error(fmt::format("`{}` has {} bytes, but {} {} has {}", tensor.suffix, found->second.size(),
                                  dtype_name(tensor.dtype), to_string(tensor.shape),
                                  size ? fmt::to_string(*size) : "more than 2^64"));
  }
  return found->second;
}

// Code `index` of a bit stream of signed codes.
int8_t packed_code(std::span<const std::byte> words, size_t word_stride, size_t index, int bits) {
  auto word = [&](size_t i) {
    uint32_t value;
    std::memcpy(&value, words.data() + i * word_stride * 4, 4);
    return value;
  };
  const size_t position = index * static_cast<size_t>(bits);
  const size_t shift = position % 32;
  uint64_t pair = word(position / 32);
  if (shift + static_cast<size_t>(bits) > 32) pair |= uint64_t{word(position / 32 + 1)} << 32;
  const auto code = static_cast<int>((pair >> shift) & ((1u << bits) - 1));
  return static_cast<int8_t>(code - (1 << (bits - 1)));
}

// Scales and zero points of one row, one per group of the kernels.
struct RowParams {
  std::vector<float> scales;
  std::vector<int8_t> zero_points;  // empty when symmetric
};

class RowParamsReader {
 public:
  RowParamsReader(const WeightLayout& layout, DType weight_dtype, const TensorBytes& tensors,
                  const std::vector<StoredTensor>& stored)
      : layout_(layout),
        weight_dtype_(weight_dtype),
        scales_(bytes_of(tensors, stored[WeightLayout::kScales])) {
    if (layout.format->stores_global_scale) {
      std::memcpy(&global_scale_, bytes_of(tensors, stored[layout.global_scale]).data(), sizeof(float));
    }
    if (!layout.args->symmetric) zero_points_ = bytes_of(tensors, stored[layout.zero_points]);
  }

  void read(uint64_t row, RowParams& out) {
    const size_t cols = layout_.grid.cols;
    const uint64_t first = row / layout_.grid.span_rows * cols;
    const uint64_t size = dtype_size(layout_.scale_dtype);
    row_scales_.resize(cols);
    read_scales(*layout_.args, weight_dtype_, scales_.subspan(first * size, cols * size), global_scale_,
                row_scales_);
    const size_t groups = layout_.in / layout_.kernel_group;
    out.scales.resize(groups);
    out.zero_points.resize(layout_.args->symmetric ? 0 : groups);
    for (size_t g = 0; g < groups; ++g) {
      const size_t col = g * layout_.kernel_group / layout_.grid.span_cols;
      out.scales[g] = row_scales_[col];
      if (!layout_.args->symmetric) out.zero_points[g] = zero_point(row, first, col);
    }
  }

 private:
  int8_t zero_point(uint64_t row, uint64_t first, size_t col) const {
    if (!layout_.has_packed_zero_points()) return static_cast<int8_t>(zero_points_[first + col]);
    return packed_code(zero_points_.subspan(col * 4), layout_.grid.cols, row, layout_.args->num_bits);
  }

  const WeightLayout& layout_;
  DType weight_dtype_;
  std::span<const std::byte> scales_;
  std::span<const std::byte> zero_points_;
  float global_scale_ = 1;
  std::vector<float> row_scales_;
};

}  // namespace

ColumnScales stored_column_scales(const QuantizationScheme& scheme,
                                  const std::map<std::string, std::span<const std::byte>>& tensors,
                                  DType weight_dtype, uint64_t out, uint64_t in) {
  const WeightLayout layout = weight_layout(scheme, weight_dtype, out, in);
  const std::vector<StoredTensor> stored = stored_tensors(scheme, weight_dtype, out, in);
  RowParamsReader reader(layout, weight_dtype, tensors, stored);
  RowParams params;
  const uint64_t groups = layout.grid.cols;
  ColumnScales columns{code_spec(*layout.args), std::vector<float>(groups * out), {}, {}};
  if (!layout.args->symmetric) columns.zero_points.resize(groups * out);
  for (uint64_t r = 0; r < out; ++r) {
    reader.read(r, params);
    for (uint64_t g = 0; g < groups; ++g) {
      const uint64_t kernel_group = g * layout.grid.span_cols / layout.kernel_group;
      columns.scales[g * out + r] = params.scales[kernel_group];
      if (!layout.args->symmetric) columns.zero_points[g * out + r] = params.zero_points[kernel_group];
    }
  }
  columns.column_groups.reserve(in);
  for (uint64_t c = 0; c < in; ++c)
    columns.column_groups.push_back(static_cast<int32_t>(c / layout.grid.span_cols));
  return columns;
}

void decompress_rows(const QuantizationScheme& scheme,
                     const std::map<std::string, std::span<const std::byte>>& tensors, DType weight_dtype,
                     uint64_t out, uint64_t in, uint64_t row, uint64_t count, const QuantizeKernels& kernels,
                     float* values) {
  const WeightLayout layout = weight_layout(scheme, weight_dtype, out, in);
  const QuantizationArgs& args = *layout.args;
  const std::vector<StoredTensor> stored = stored_tensors(scheme, weight_dtype, out, in);
  const std::span<const std::byte> codes_bytes = bytes_of(tensors, stored[WeightLayout::kCodes]);
  const uint64_t row_bytes = layout.codes_row_bytes();
  RowParamsReader reader(layout, weight_dtype, tensors, stored);
  RowParams params;
  std::vector<int8_t> codes(in);
  // A tensor of a file may lie at any address; the kernels read whole words.
  std::vector<uint32_t> aligned(ceil_div(row_bytes, 4));
  for (uint64_t r = row; r < row + count; ++r) {
    const std::byte* bytes = codes_bytes.data() + r * row_bytes;
    if (layout.format->decode) {
      std::memcpy(aligned.data(), bytes, row_bytes);
      layout.format->decode(args, kernels, reinterpret_cast<const std::byte*>(aligned.data()), 1, in,
                            codes.data());
    } else {
      std::memcpy(codes.data(), bytes, in);
    }
    reader.read(r, params);
    kernels.dequantize_groups(codes.data(), 1, in, layout.kernel_group, code_spec(args), params.scales.data(),
                              args.symmetric ? nullptr : params.zero_points.data(), values + (r - row) * in);
  }
}

}  // namespace tersor
