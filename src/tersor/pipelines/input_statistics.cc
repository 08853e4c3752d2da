#include "tersor/pipelines/input_statistics.h"

#include <algorithm>
#include <cmath>

namespace tersor {
namespace {

bool is_finite(const MinMax& range) { return std::isfinite(range.min) && std::isfinite(range.max); }

}  // namespace

std::vector<MinMax> ranges_of_rows(Backend& backend, const DeviceTensor& x) {
  static_assert(sizeof(MinMax) == 2 * sizeof(float));
  const DeviceTensor device = backend.allocate(DType::kF32, x.rows, 2);
  backend.row_ranges(x, device);
  std::vector<MinMax> ranges(x.rows);
  backend.copy_out(device, ranges.data());
  return ranges;
}

bool all_finite(Backend& backend, const DeviceTensor& x) {
  return std::ranges::all_of(ranges_of_rows(backend, x), is_finite);
}

void StatisticsNeeds::add(const StatisticsNeeds& other) {
  hessian |= other.hessian;
  cross |= other.cross;
  squares |= other.squares;
  activations.add(other.activations);
}

InputStatistics::InputStatistics(Backend& backend, size_t width, StatisticsNeeds needs)
    : backend_(backend), needs_(std::move(needs)), activations_(needs_.activations) {
  if (needs_.hessian) {
    hessian_ = backend.allocate(DType::kF32, width, width);
    backend.fill_zero(hessian_);
    if (needs_.cross) {
      cross_ = backend.allocate(DType::kF32, width, width);
      backend.fill_zero(cross_);
    }
  } else if (needs_.squares) {
    squares_ = backend.allocate(DType::kF32, 1, width);
    backend.fill_zero(squares_);
  }
}

uint64_t InputStatistics::bytes(size_t width, const StatisticsNeeds& needs) {
  const uint64_t rows = needs.hessian ? width * (needs.cross ? 2 : 1) : 1;
  return uint64_t{width} * rows * sizeof(float) + needs.activations.bytes();
}

void InputStatistics::add(const DeviceTensor& x, const std::vector<size_t>& sequence_rows,
                          const DeviceTensor& source) {
  if (x.rows == 0) return;
  tokens_ += x.rows;
  if (needs_.hessian) {
    backend_.syrk(1, x, 1, hessian_);
    if (needs_.cross) {
      const DeviceTensor lost = backend_.allocate(DType::kF32, x.rows, x.cols);
      backend_.add(source, -1, x, lost);
      backend_.gemm(1, lost, true, x, false, 1, cross_);
    }
  } else if (needs_.squares) {
    backend_.add_squares(x, squares_);
  }
  if (!needs_.activations.ranges) return;
  const std::vector<MinMax> rows = ranges_of_rows(backend_, x);
  size_t row = 0;
  for (const size_t count : sequence_rows) {
    if (count == 0) continue;
    MinMax range = rows[row];
    for (size_t r = row; r < row + count; ++r) {
      finite_ = finite_ && is_finite(rows[r]);
      range = {std::min(range.min, rows[r].min), std::max(range.max, rows[r].max)};
    }
    activations_.add_sample(range);
    row += count;
  }
  if (!needs_.activations.looks_at_values()) return;
  std::vector<float> values(x.rows * x.cols);
  backend_.copy_out(x, values.data());
  activations_.add_values(values, x.cols);
}

void InputStatistics::finish() {
  if (tokens_ == 0) return;
  const auto n = static_cast<float>(tokens_);
  if (needs_.hessian) {
    backend_.scale(2.0f / n, hessian_, hessian_);
    if (needs_.cross) {
      backend_.scale(2.0f / n, cross_, cross_);
      finite_ = finite_ && all_finite(backend_, cross_);
    }
    const DeviceTensor diagonal = backend_.allocate(DType::kF32, 1, hessian_.cols);
    backend_.get_diagonal(hessian_, diagonal);
    mean_squares_.resize(hessian_.cols);
    backend_.copy_out(diagonal, mean_squares_.data());
    for (float& v : mean_squares_) v /= 2;
  } else if (needs_.squares) {
    mean_squares_.resize(squares_.cols);
    backend_.copy_out(squares_, mean_squares_.data());
    for (float& v : mean_squares_) v /= n;
  }
  finite_ = finite_ && std::ranges::all_of(mean_squares_, [](float v) { return std::isfinite(v); });
}

}  // namespace tersor
