// What calibration and weight solvers need beside products: transposes, diagonals, column statistics, GPTQ's
// loop.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tersor/backend/operation_shapes.h"
#include "tersor/backend/reference/code_value.h"
#include "tersor/backend/reference/reference_backend.h"

namespace tersor {

void ReferenceBackend::transpose(const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(y.rows == x.cols && y.cols == x.rows, "transpose");
  for (size_t r = 0; r < x.rows; ++r) {
    for (size_t c = 0; c < x.cols; ++c) y.data<float>()[c * x.rows + r] = x.data<float>()[r * x.cols + c];
  }
}

void ReferenceBackend::get_diagonal(const DeviceTensor& a, const DeviceTensor& d) {
  require_shapes(a.rows == a.cols && d.size() == a.rows, "get_diagonal");
  for (size_t i = 0; i < a.rows; ++i) d.data<float>()[i] = a.data<float>()[i * a.cols + i];
}

void ReferenceBackend::set_diagonal(const DeviceTensor& a, const DeviceTensor& d) {
  require_shapes(a.rows == a.cols && d.size() == a.rows, "set_diagonal");
  for (size_t i = 0; i < a.rows; ++i) a.data<float>()[i * a.cols + i] = d.data<float>()[i];
}

void ReferenceBackend::add_squares(const DeviceTensor& x, const DeviceTensor& s) { add_products(x, x, s); }

void ReferenceBackend::add_products(const DeviceTensor& x, const DeviceTensor& y, const DeviceTensor& s) {
  require_shapes(is_f32(x) && is_f32(y) && x.rows == y.rows && x.cols == y.cols && s.size() == x.cols,
                 "add_products");
  for (size_t c = 0; c < x.cols; ++c) {
    double sum = s.data<float>()[c];
    for (size_t r = 0; r < x.rows; ++r)
      sum += double{x.data<float>()[r * x.cols + c]} * y.data<float>()[r * x.cols + c];
    s.data<float>()[c] = static_cast<float>(sum);
  }
}

void ReferenceBackend::row_ranges(const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(is_f32(x) && y.rows == x.rows && y.cols == 2 && x.cols > 0, "row_ranges");
  for (size_t r = 0; r < x.rows; ++r) {
    const float* row = x.data<float>() + r * x.cols;
    float* range = y.data<float>() + 2 * r;
    range[0] = range[1] = row[0];
    for (size_t c = 0; c < x.cols; ++c) {
      if (std::isnan(row[c])) {
        range[0] = range[1] = std::numeric_limits<float>::quiet_NaN();
        break;
      }
      range[0] = std::min(range[0], row[c]);
      range[1] = std::max(range[1], row[c]);
    }
  }
}

void ReferenceBackend::solve_columns(const CodeSpec& spec, const DeviceTensor& factor,
                                     const DeviceTensor& scales, const DeviceTensor& zero_points,
                                     const DeviceTensor& group, const DeviceTensor& w,
                                     const DeviceTensor& codes, const DeviceTensor& errors) {
  require_solve_shapes(factor, scales, zero_points, group, w, codes, errors);
  const size_t n = w.rows, out = w.cols;
  std::vector<double> column(n);
  for (size_t r = 0; r < out; ++r) {
    for (size_t i = 0; i < n; ++i) column[i] = w.data<float>()[i * out + r];
    for (size_t i = n; i-- > 0;) {
      const float* l = factor.data<float>() + i * n;
      const size_t at = static_cast<size_t>(group.data<int32_t>()[i]) * out + r;
      const float scale = scales.data<float>()[at];
      const float zero_point = zero_points ? zero_points.data<float>()[at] : 0;
      const auto x = static_cast<float>(column[i]);
      const int8_t code = encode(x, x / scale + zero_point, spec);
      const float q = decode(code, spec, static_cast<int>(zero_point)) * scale;
      const double error = (column[i] - double{q}) / l[i];
      for (size_t k = 0; k < i; ++k) column[k] -= error * l[k];
      codes.data<int8_t>()[i * out + r] = code;
      errors.data<float>()[i * out + r] = static_cast<float>(error);
      w.data<float>()[i * out + r] = q;
    }
  }
}

}  // namespace tersor
