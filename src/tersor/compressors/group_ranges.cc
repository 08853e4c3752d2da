#include "tersor/compressors/group_ranges.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tersor/base/checked_math.h"
#include "tersor/quantization/observer.h"

namespace tersor {
namespace {

struct Block {
  size_t rows;
  size_t cols;
};

Block block_of(const QuantizationArgs& args) {
  return {static_cast<size_t>((*args.block_structure)[0]), static_cast<size_t>((*args.block_structure)[1])};
}

// Blocks are united from groups of `unit` columns that divide the row and the block alike.
void minmax_blocks(const Block& block, const WeightView& rows, const QuantizeKernels& kernels,
                   CompressScratch& scratch) {
  const size_t unit = std::gcd(block.cols, rows.cols);
  const size_t units = rows.cols / unit;
  const size_t block_cols = ceil_div(rows.cols, block.cols);
  scratch.ranges.assign(ceil_div(rows.rows, block.rows) * block_cols, {});
  scratch.unit_ranges.resize(units);
  for (size_t r = 0; r < rows.rows; ++r) {
    kernels.minmax_groups(rows.sub_rows(r, 1), unit, scratch.unit_ranges.data());
    MinMax* ranges = scratch.ranges.data() + r / block.rows * block_cols;
    for (size_t u = 0; u < units; ++u) {
      MinMax& range = ranges[u * unit / block.cols];
      range.min = std::min(range.min, scratch.unit_ranges[u].min);
      range.max = std::max(range.max, scratch.unit_ranges[u].max);
    }
  }
}

// The search needs a block's elements side by side: each is copied into one long row.
void mse_blocks(const QuantizationArgs& args, const MseGrid& grid, const WeightView& rows,
                const float* importance, const QuantizeKernels& kernels, CompressScratch& scratch) {
  const Block block = block_of(args);
  const size_t element = dtype_size(rows.dtype);
  const size_t block_cols = ceil_div(rows.cols, block.cols);
  scratch.ranges.resize(ceil_div(rows.rows, block.rows) * block_cols);
  scratch.tile.resize(std::min(block.rows, rows.rows) * std::min(block.cols, rows.cols) * element);
  std::vector<float> tile_importance;
  for (size_t b = 0; b < scratch.ranges.size(); ++b) {
    const size_t row = b / block_cols * block.rows;
    const size_t col = b % block_cols * block.cols;
    const size_t height = std::min(block.rows, rows.rows - row);
    const size_t width = std::min(block.cols, rows.cols - col);
    for (size_t r = 0; r < height; ++r) {
      std::memcpy(scratch.tile.data() + r * width * element,
                  rows.data + ((row + r) * rows.cols + col) * element, width * element);
    }
    if (importance != nullptr) {
      tile_importance.clear();
      for (size_t r = 0; r < height; ++r)
        tile_importance.insert(tile_importance.end(), importance + col, importance + col + width);
    }
    const WeightView tile{scratch.tile.data(), rows.dtype, 1, height * width};
    kernels.mse_groups(tile, tile.cols, code_spec(args), args.symmetric, search_storage(args, rows.dtype),
                       grid, importance == nullptr ? nullptr : tile_importance.data(), &scratch.ranges[b]);
  }
}

}  // namespace

void observe_groups(const QuantizationArgs& args, const WeightView& rows, float global_scale,
                    const float* importance, const QuantizeKernels& kernels, CompressScratch& scratch) {
  auto grid = mse_grid(args);
  if (args.strategy == Strategy::kBlock) {
    if (grid) return mse_blocks(args, *grid, rows, importance, kernels, scratch);
    return minmax_blocks(block_of(args), rows, kernels, scratch);
  }
  const size_t group = args.group_size ? static_cast<size_t>(*args.group_size) : rows.cols;
  scratch.ranges.resize(rows.rows * (rows.cols / group));
  if (grid && args.strategy != Strategy::kTensor) {
    ScaleStorage storage = search_storage(args, rows.dtype);
    if (args.strategy == Strategy::kTensorGroup && global_scale > 0) {
      grid->nvfp4_global_scale = global_scale;
      storage = nvfp4_storage(rows.dtype);
    }
    kernels.mse_groups(rows, group, code_spec(args), args.symmetric, storage, *grid, importance,
                       scratch.ranges.data());
  } else {
    kernels.minmax_groups(rows, group, scratch.ranges.data());
  }
}

}  // namespace tersor
