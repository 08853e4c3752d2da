#include "tersor/modifiers/gptq/gptq_quantize.h"

#include <algorithm>
#include <numeric>

namespace tersor {
namespace {

// Output rows that are solved together: rows are independent of each other, and this bounds the memory.
constexpr size_t kStripRows = 1024;
constexpr size_t kTile = 64;
// Of the Hessian, at a time: it may lie in a file, and less would make products slow.
constexpr size_t kErrorColumns = 512;

DeviceTensor put(Backend& backend, DType dtype, size_t rows, size_t cols, const void* values) {
  const DeviceTensor tensor = backend.allocate(dtype, rows, cols);
  backend.copy_in(tensor, values);
  return tensor;
}

double sum_of(Backend& backend, const DeviceTensor& x) {
  std::vector<float> values(x.size());
  backend.copy_out(x, values.data());
  return std::accumulate(values.begin(), values.end(), 0.0);
}

DeviceTensor zeros(Backend& backend, size_t cols) {
  const DeviceTensor tensor = backend.allocate(DType::kF32, 1, cols);
  backend.fill_zero(tensor);
  return tensor;
}

DeviceTensor block_of(Backend& backend, const DeviceTensor& from, size_t row, size_t col, size_t rows,
                      size_t cols) {
  const DeviceTensor block = backend.allocate(from.dtype, rows, cols);
  backend.copy_block(from, row, col, rows, cols, block, 0, 0);
  return block;
}

// codes [out, in] of rows [first, first + rows) from those of a strip, [in, rows] with columns in solving
// order.
void store_codes(const std::vector<int8_t>& strip, size_t rows, const std::vector<int32_t>& order,
                 int8_t* codes) {
  const size_t in = order.size();
  for (size_t p0 = 0; p0 < in; p0 += kTile) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t p = p0; p < std::min(p0 + kTile, in); ++p)
        codes[r * in + static_cast<size_t>(order[p])] = strip[p * rows + r];
    }
  }
}

class Solver {
 public:
  Solver(Backend& backend, const HessianFactor& factor, const ColumnScales& scales, size_t block_size)
      : backend_(backend),
        factor_(factor),
        scales_(scales),
        block_size_(block_size),
        in_(factor.order.size()) {
    std::vector<int32_t> groups(in_), places(in_);
    for (size_t p = 0; p < in_; ++p) {
      const auto column = static_cast<size_t>(factor.order[p]);
      groups[p] = scales.column_groups[column];
      places[column] = static_cast<int32_t>(p);
    }
    order_ = put(backend, DType::kI32, 1, in_, factor.order.data());
    places_ = put(backend, DType::kI32, 1, in_, places.data());
    groups_ = put(backend, DType::kI32, 1, in_, groups.data()).reshaped(in_, 1);
  }

  // Rounds `weight` [rows, in]; `result` takes its rows' values, `codes` [rows, in] its codes.
  double solve(const DeviceTensor& weight, const DeviceTensor& scales, const DeviceTensor& zero_points,
               const DeviceTensor& result, int8_t* codes) {
    const size_t rows = weight.rows;
    const DeviceTensor columns = backend_.allocate(DType::kF32, in_, rows);
    const DeviceTensor w = backend_.allocate(DType::kF32, in_, rows);
    backend_.transpose(weight, columns);
    backend_.gather_rows(columns, order_, w);
    const DeviceTensor all_codes = backend_.allocate(DType::kI8, in_, rows);
    const DeviceTensor losses = zeros(backend_, rows);
    for (size_t end = in_; end > 0;) {
      const size_t begin = end > block_size_ ? end - block_size_ : 0, count = end - begin;
      const DeviceTensor errors = backend_.allocate(DType::kF32, count, rows);
      backend_.solve_columns(scales_.spec, block_of(backend_, factor_.inverse, begin, begin, count, count),
                             scales, zero_points, groups_.sub_rows(begin, count), w.sub_rows(begin, count),
                             all_codes.sub_rows(begin, count), errors);
      backend_.add_squares(errors, losses);
      if (begin > 0) {
        backend_.gemm(-1, block_of(backend_, factor_.inverse, begin, 0, count, begin), true, errors, false, 1,
                      w.sub_rows(0, begin));
      }
      end = begin;
    }
    backend_.gather_rows(w, places_, columns);
    backend_.transpose(columns, result);
    std::vector<int8_t> strip(in_ * rows);
    backend_.copy_out(all_codes, strip.data());
    store_codes(strip, rows, factor_.order, codes);
    return sum_of(backend_, losses);
  }

 private:
  Backend& backend_;
  const HessianFactor& factor_;
  const ColumnScales& scales_;
  const size_t block_size_;
  const size_t in_;
  DeviceTensor order_, places_, groups_;
};

}  // namespace

GptqResult gptq_quantize(Backend& backend, const DeviceTensor& weight, const HessianFactor& factor,
                         const ColumnScales& scales, size_t block_size) {
  const size_t out = weight.rows, in = weight.cols, groups = scales.scales.size() / out;
  Solver solver(backend, factor, scales, block_size);
  const DeviceTensor all_scales = put(backend, DType::kF32, groups, out, scales.scales.data());
  DeviceTensor all_zero_points;
  if (!scales.zero_points.empty())
    all_zero_points = put(backend, DType::kF32, groups, out, scales.zero_points.data());
  GptqResult result;
  result.codes.resize(out * in);
  result.weight = backend.allocate(DType::kF32, out, in);
  for (size_t row = 0; row < out; row += kStripRows) {
    const size_t rows = std::min(kStripRows, out - row);
    result.loss += solver.solve(
        weight.sub_rows(row, rows), block_of(backend, all_scales, 0, row, groups, rows),
        all_zero_points ? block_of(backend, all_zero_points, 0, row, groups, rows) : DeviceTensor{},
        result.weight.sub_rows(row, rows), result.codes.data() + row * in);
  }
  return result;
}

// Block column c of H below and with its diagonal block makes half of the work: with D_c the columns c of D,
// tr(D H Dᵀ) = Σ_c ⟨D_c, D_c H_cc + 2 Σ_{k > c} D_k H_kc⟩, since H is symmetric.
double output_error(Backend& backend, const StoredHessian& hessian, const DeviceTensor& difference) {
  double error = 0;
  const size_t n = hessian.size();
  for (size_t column = 0; column < n; column += kErrorColumns) {
    const size_t columns = std::min(kErrorColumns, n - column), after = column + columns;
    const DeviceTensor some = hessian.rows(backend, column, columns);  // or columns: it is symmetric
    const DeviceTensor diagonal = block_of(backend, some, 0, column, columns, columns);
    DeviceTensor below;
    if (after < n) below = block_of(backend, some, 0, after, columns, n - after);
    for (size_t row = 0; row < difference.rows; row += kStripRows) {
      const size_t rows = std::min(kStripRows, difference.rows - row);
      const DeviceTensor these = block_of(backend, difference, row, column, rows, columns);
      const DeviceTensor product = backend.allocate(DType::kF32, rows, columns);
      backend.gemm(1, these, false, diagonal, true, 0, product);
      if (after < n)
        backend.gemm(2, block_of(backend, difference, row, after, rows, n - after), false, below, true, 1,
                     product);
      const DeviceTensor sums = zeros(backend, columns);
      backend.add_products(product, these, sums);
      error += sum_of(backend, sums);
    }
  }
  return error;
}

}  // namespace tersor
