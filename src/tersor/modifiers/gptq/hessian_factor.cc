#include "tersor/modifiers/gptq/hessian_factor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tersor {
namespace {

constexpr int kRaises = 3;

std::vector<int32_t> solving_order(const std::vector<float>& diagonal, ColumnOrder order) {
  std::vector<int32_t> columns(diagonal.size());
  std::iota(columns.begin(), columns.end(), 0);
  std::ranges::reverse(columns);
  if (order == ColumnOrder::kDescending) {
    std::ranges::stable_sort(columns, {}, [&](int32_t c) { return diagonal[static_cast<size_t>(c)]; });
  }
  return columns;
}

// Rows and columns of the symmetric `a` in another order.
DeviceTensor reordered(Backend& backend, const DeviceTensor& a, const std::vector<int32_t>& order) {
  const size_t n = a.rows;
  const DeviceTensor ids = backend.allocate(DType::kI32, 1, n);
  backend.copy_in(ids, order.data());
  const DeviceTensor rows = backend.allocate(DType::kF32, n, n),
                     columns = backend.allocate(DType::kF32, n, n);
  backend.gather_rows(a, ids, rows);
  backend.transpose(rows, columns);
  backend.gather_rows(columns, ids, rows);
  return rows;
}

}  // namespace

std::optional<HessianFactor> factor_hessian(Backend& backend, const DeviceTensor& hessian, ColumnOrder order,
                                            double dampening_frac) {
  const size_t n = hessian.rows;
  const DeviceTensor device_diagonal = backend.allocate(DType::kF32, 1, n);
  backend.get_diagonal(hessian, device_diagonal);
  std::vector<float> diagonal(n);
  backend.copy_out(device_diagonal, diagonal.data());

  HessianFactor factor;
  factor.order = solving_order(diagonal, order);
  factor.dead_inputs = static_cast<size_t>(std::ranges::count(diagonal, 0.0f));
  // Of what is alive: dead inputs say nothing about the size of the others.
  const double mean = factor.dead_inputs == n ? 1
                                              : std::accumulate(diagonal.begin(), diagonal.end(), 0.0) /
                                                    static_cast<double>(n - factor.dead_inputs);
  for (int raise = 0; raise <= kRaises; ++raise) {
    factor.dampening_frac = dampening_frac * std::pow(10.0, raise);
    const auto lambda = static_cast<float>(factor.dampening_frac * mean);
    factor.damping.assign(n, lambda);
    std::vector<float> damped(n);
    for (size_t place = 0; place < n; ++place) {
      const auto column = static_cast<size_t>(factor.order[place]);
      if (diagonal[column] == 0) factor.damping[column] = 1;
      damped[place] = diagonal[column] + factor.damping[column];
    }
    factor.inverse = reordered(backend, hessian, factor.order);
    backend.copy_in(device_diagonal, damped.data());
    backend.set_diagonal(factor.inverse, device_diagonal);
    if (backend.cholesky(factor.inverse)) {
      backend.invert_lower(factor.inverse);
      return factor;
    }
  }
  return std::nullopt;
}

}  // namespace tersor
