// Compression of a row block. It goes by bands, the rows that one row of scales covers (or, where each row
// has its own scales, as many as stay in the cache), and each band by chunks:
//
//   band:  ranges → scales and zero points, as stored
//   chunk: codes, and what they lose → bytes of the format, while the codes are still in the cache
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "tersor/base/checked_math.h"
#include "tersor/compressors/compressor.h"
#include "tersor/compressors/group_ranges.h"
#include "tersor/compressors/weight_layout.h"

namespace tersor {
namespace {

static_assert(std::endian::native == std::endian::little, "stored tensors are little-endian");

// Elements in a chunk: with 2 to 4 bytes of weight and 1 of code each, 4 Ki of them stay in the first-level
// cache while they are read twice.
constexpr size_t kChunkElements = 4 * 1024;

// The pieces that a block has produced so far, in buffers left from the block before.
class PieceWriter {
 public:
  explicit PieceWriter(std::vector<StoredPiece>& pieces) : pieces_(pieces) {}

  std::byte* add(size_t tensor, uint64_t offset, size_t size) {
    if (used_ == pieces_.size()) pieces_.emplace_back();
    StoredPiece& piece = pieces_[used_++];
    piece.tensor = tensor;
    piece.offset = offset;
    piece.bytes.resize(size);
    return piece.bytes.data();
  }
  void finish() { pieces_.resize(used_); }

 private:
  std::vector<StoredPiece>& pieces_;
  size_t used_ = 0;
};

size_t chunk_rows(size_t cols) { return std::max<size_t>(1, kChunkElements / std::max<size_t>(1, cols)); }

// Rows of scales that a block of `rows` rows starting at `row` brings, and where they start.
struct ScaleRows {
  uint64_t first;
  uint64_t count;
};
ScaleRows scale_rows(const WeightLayout& layout, uint64_t row, size_t rows) {
  // The one scale of a tensor is stored with its first rows.
  if (layout.is_per_tensor()) return {0, row == 0 ? 1u : 0u};
  return {row / layout.grid.span_rows, ceil_div(rows, layout.grid.span_rows)};
}

void store_constants(const WeightLayout& layout, float global_scale, PieceWriter& pieces) {
  if (layout.format->stores_shape) {
    const uint64_t shape[2] = {layout.out, layout.in};
    std::memcpy(pieces.add(layout.shape, 0, sizeof(shape)), shape, sizeof(shape));
  }
  if (layout.format->stores_global_scale) {
    std::memcpy(pieces.add(layout.global_scale, 0, sizeof(global_scale)), &global_scale,
                sizeof(global_scale));
  }
}

// Zero points [rows, cols] of a block as a bit stream along the rows: [ceil(rows·b / 32), cols] words.
void store_packed_zero_points(const WeightLayout& layout, const std::vector<int8_t>& zero_points,
                              uint64_t row, size_t rows, const QuantizeKernels& kernels,
                              PieceWriter& pieces) {
  const int bits = layout.args->num_bits;
  const size_t cols = layout.grid.cols;
  const size_t words = ceil_div(rows * static_cast<size_t>(bits), 32);
  std::byte* bytes =
      pieces.add(layout.zero_points, row * static_cast<uint64_t>(bits) / 32 * cols * 4, words * cols * 4);
  std::vector<int8_t> column(rows);
  std::vector<uint32_t> stream(words);
  for (size_t g = 0; g < cols; ++g) {
    for (size_t r = 0; r < rows; ++r) column[r] = zero_points[r * cols + g];
    kernels.pack_row(column.data(), rows, bits, stream.data());
    for (size_t w = 0; w < words; ++w) std::memcpy(bytes + (w * cols + g) * 4, &stream[w], 4);
  }
}

// A value of the grid's scale columns for each group of the kernels, repeated for `rows` rows.
template <typename T>
void spread(const WeightLayout& layout, const std::vector<T>& per_scale, size_t rows,
            std::vector<T>& per_group) {
  const size_t groups = layout.in / layout.kernel_group;
  per_group.resize(rows * groups);
  for (size_t g = 0; g < groups; ++g) {
    per_group[g] = per_scale[g * layout.kernel_group / layout.grid.span_cols];
  }
  for (size_t r = 1; r < rows; ++r) std::copy_n(per_group.begin(), groups, per_group.begin() + r * groups);
}

// Codes, and what was lost, of the rows of one chunk.
void compress_chunk(const WeightLayout& layout, const WeightView& rows, const float* scales,
                    const int8_t* zero_points, const QuantizeKernels& kernels, CompressScratch& scratch,
                    std::byte* codes_bytes, BlockStatistics& statistics) {
  const QuantizationArgs& args = *layout.args;
  const CodeSpec spec = code_spec(args);
  const size_t elements = rows.rows * rows.cols;
  int8_t* codes = reinterpret_cast<int8_t*>(codes_bytes);
  if (layout.format->encode) {
    scratch.codes.resize(elements);
    codes = scratch.codes.data();
  }
  kernels.quantize_and_measure(rows, layout.kernel_group, spec, scales, zero_points, codes,
                               &statistics.squared_error, &statistics.squared_norm);
  if (layout.format->encode) layout.format->encode(args, kernels, codes, rows.rows, rows.cols, codes_bytes);
}

// The block's scales (and unpacked zero points), filled in band by band.
struct ScalePieces {
  std::byte* scales;
  std::byte* zero_points;  // null: none, or packed
};

ScalePieces add_scale_pieces(const WeightLayout& layout, const ScaleRows& scale_rows, PieceWriter& pieces) {
  if (scale_rows.count == 0) return {nullptr, nullptr};
  const uint64_t first = scale_rows.first * layout.grid.cols;
  const uint64_t count = scale_rows.count * layout.grid.cols;
  const uint64_t size = dtype_size(layout.scale_dtype);
  ScalePieces out{pieces.add(WeightLayout::kScales, first * size, count * size), nullptr};
  if (!layout.args->symmetric && !layout.has_packed_zero_points()) {
    out.zero_points = pieces.add(layout.zero_points, first, count);
  }
  return out;
}

}  // namespace

std::vector<std::byte> encode_codes(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out,
                                    uint64_t in, std::span<const int8_t> codes,
                                    const QuantizeKernels& kernels) {
  const WeightLayout layout = weight_layout(scheme, weight_dtype, out, in);
  std::vector<std::byte> bytes(out * layout.codes_row_bytes());
  if (layout.format->encode) {
    layout.format->encode(*layout.args, kernels, codes.data(), out, in, bytes.data());
  } else {
    std::memcpy(bytes.data(), codes.data(), bytes.size());
  }
  return bytes;
}

BlockStatistics compress_rows(const QuantizationScheme& scheme, uint64_t out, uint64_t row,
                              const WeightView& rows, const Observation& observation,
                              const QuantizeKernels& kernels, CompressScratch& scratch,
                              std::vector<StoredPiece>& pieces) {
  const WeightLayout layout = weight_layout(scheme, rows.dtype, out, rows.cols);
  const QuantizationArgs& args = *layout.args;
  BlockStatistics statistics;
  if (!observation.finite) {
    statistics.finite = false;
    return statistics;
  }

  const float amax = std::max(-observation.range.min, observation.range.max);
  const float global_scale = layout.format->stores_global_scale ? nvfp4_global_scale(amax, rows.dtype) : 0;
  const float* importance = observation.importance.empty() ? nullptr : observation.importance.data();
  const uint64_t row_bytes = layout.codes_row_bytes();
  PieceWriter writer(pieces);
  std::byte* codes = writer.add(WeightLayout::kCodes, row * row_bytes, rows.rows * row_bytes);
  ScalePieces scale_pieces = add_scale_pieces(layout, scale_rows(layout, row, rows.rows), writer);
  if (row == 0) store_constants(layout, global_scale, writer);
  scratch.block_zero_points.clear();

  const bool has_scales_per_row = !layout.is_per_tensor() && args.strategy != Strategy::kBlock;
  const size_t step = chunk_rows(rows.cols);
  const size_t band_step = has_scales_per_row ? step : std::min<uint64_t>(layout.grid.span_rows, rows.rows);
  for (size_t band = 0; band < rows.rows; band += band_step) {
    const WeightView band_rows = rows.sub_rows(band, std::min(band_step, rows.rows - band));
    if (layout.is_per_tensor()) {
      scratch.ranges.assign(1, observation.range);
    } else {
      observe_groups(args, band_rows, global_scale, importance, kernels, scratch);
    }
    for (const MinMax& range : scratch.ranges) {
      if (range.max == std::numeric_limits<float>::infinity()) statistics.finite = false;
      if (range.min == 0 && range.max == 0) ++statistics.zero_groups;
    }
    if (!statistics.finite) return statistics;

    QParams& qparams = scratch.qparams;
    compute_qparams(args, rows.dtype, scratch.ranges, global_scale, qparams);
    if (scale_pieces.scales != nullptr) {
      std::memcpy(scale_pieces.scales, qparams.stored.data(), qparams.stored.size());
      scale_pieces.scales += qparams.stored.size();
    }
    if (scale_pieces.zero_points != nullptr) {
      std::memcpy(scale_pieces.zero_points, qparams.zero_points.data(), qparams.zero_points.size());
      scale_pieces.zero_points += qparams.zero_points.size();
    }
    if (layout.has_packed_zero_points()) {
      scratch.block_zero_points.insert(scratch.block_zero_points.end(), qparams.zero_points.begin(),
                                       qparams.zero_points.end());
    }

    const float* scales = qparams.scales.data();
    const int8_t* zero_points = args.symmetric ? nullptr : qparams.zero_points.data();
    if (!has_scales_per_row) {
      const size_t chunk = std::min(step, band_rows.rows);
      spread(layout, qparams.scales, chunk, scratch.scales);
      scales = scratch.scales.data();
      if (!args.symmetric) {
        spread(layout, qparams.zero_points, chunk, scratch.zero_points);
        zero_points = scratch.zero_points.data();
      }
    }
    for (size_t begin = 0; begin < band_rows.rows; begin += step) {
      const size_t count = std::min(step, band_rows.rows - begin);
      compress_chunk(layout, band_rows.sub_rows(begin, count), scales, zero_points, kernels, scratch, codes,
                     statistics);
      codes += count * row_bytes;
    }
  }
  if (layout.has_packed_zero_points()) {
    store_packed_zero_points(layout, scratch.block_zero_points, row, rows.rows, kernels, writer);
  }
  writer.finish();
  return statistics;
}

}  // namespace tersor
