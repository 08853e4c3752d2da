#include "tersor/modifiers/gptq/hessian_factor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tersor {
namespace {

constexpr int kRaises = 3;
constexpr size_t kRowsAtATime = 256;

std::vector<int32_t> solving_order(const std::vector<float>& diagonal, ColumnOrder order) {
  std::vector<int32_t> columns(diagonal.size());
  std::iota(columns.begin(), columns.end(), 0);
  std::ranges::reverse(columns);
  if (order == ColumnOrder::kDescending) {
    std::ranges::stable_sort(columns, {}, [&](int32_t c) { return diagonal[static_cast<size_t>(c)]; });
  }
  return columns;
}

// Rows and columns of the symmetric matrix in another order.
DeviceTensor reordered(Backend& backend, const StoredHessian& a, const std::vector<int32_t>& order) {
  const size_t n = a.size();
  const DeviceTensor ids = backend.allocate(DType::kI32, 1, n);
  backend.copy_in(ids, order.data());
  DeviceTensor result = backend.allocate(DType::kF32, n, n);
  for (size_t begin = 0; begin < n; begin += kRowsAtATime) {
    const size_t count = std::min(kRowsAtATime, n - begin);
    const DeviceTensor rows = a.rows(backend, std::span(order).subspan(begin, count));
    const DeviceTensor columns = backend.allocate(DType::kF32, n, count),
                       picked = backend.allocate(DType::kF32, n, count);
    backend.transpose(rows, columns);
    backend.gather_rows(columns, ids, picked);
    backend.transpose(picked, result.sub_rows(begin, count));
  }
  return result;
}

}  // namespace

std::optional<HessianFactor> factor_hessian(Backend& backend, const StoredHessian& hessian, ColumnOrder order,
                                            double dampening_frac, double shrinkage) {
  const size_t n = hessian.size();
  const std::vector<float> diagonal = hessian.diagonal(backend);
  const DeviceTensor device_diagonal = backend.allocate(DType::kF32, 1, n);

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
    factor.damping.resize(n);
    std::vector<float> damped(n);
    for (size_t place = 0; place < n; ++place) {
      const auto column = static_cast<size_t>(factor.order[place]);
      factor.damping[column] =
          diagonal[column] == 0 ? 1 : lambda + static_cast<float>(shrinkage) * diagonal[column];
      damped[place] = diagonal[column] + factor.damping[column];
    }
    factor.inverse = {};  // of the try before: there is memory for one
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
