// GPTQ's problems and its textbook form for tests: column by column, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/backend/reference/code_value.h"
#include "tersor/quantization/column_scales.h"

namespace tersor {

using Matrix = std::vector<double>;  // [n, n] row-major

inline Matrix inverse_of(Matrix a, size_t n) {
  Matrix b(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) b[i * n + i] = 1;
  for (size_t i = 0; i < n; ++i) {
    const double pivot = a[i * n + i];  // positive definite: no pivoting
    for (size_t k = 0; k < n; ++k) a[i * n + k] /= pivot, b[i * n + k] /= pivot;
    for (size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const double f = a[r * n + i];
      for (size_t k = 0; k < n; ++k) a[r * n + k] -= f * a[i * n + k], b[r * n + k] -= f * b[i * n + k];
    }
  }
  return b;
}

// R upper triangular, RᵀR = a.
inline Matrix upper_cholesky(const Matrix& a, size_t n) {
  Matrix r(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i; j < n; ++j) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < i; ++k) sum -= r[k * n + i] * r[k * n + j];
      r[i * n + j] = i == j ? std::sqrt(sum) : sum / r[i * n + i];
    }
  }
  return r;
}

struct Problem {
  size_t out, in;
  std::vector<float> weight, hessian;
  ColumnScales scales;
};

// Activations of `rank` directions and a little noise, so that columns have much to say about each other.
inline Problem make_problem(size_t out, size_t in, const CodeSpec& spec, size_t group_size, bool asymmetric,
                            unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Problem p{out, in, std::vector<float>(out * in), std::vector<float>(in * in), {spec, {}, {}, {}}};
  for (float& w : p.weight) w = normal(random);
  const size_t tokens = 4 * in, rank = std::max<size_t>(1, in / 3);
  std::vector<float> basis(rank * in), x(in);
  for (float& b : basis) b = normal(random);
  std::vector<double> h(in * in, 0.0);
  for (size_t t = 0; t < tokens; ++t) {
    for (size_t j = 0; j < in; ++j) x[j] = 0.3f * normal(random);
    for (size_t r = 0; r < rank; ++r) {
      const float a = normal(random);
      for (size_t j = 0; j < in; ++j) x[j] += a * basis[r * in + j];
    }
    for (size_t i = 0; i < in; ++i) {
      for (size_t j = 0; j < in; ++j) h[i * in + j] += 2.0 / static_cast<double>(tokens) * x[i] * x[j];
    }
  }
  for (size_t i = 0; i < in * in; ++i) p.hessian[i] = static_cast<float>(h[i]);
  const size_t groups = (in + group_size - 1) / group_size;
  p.scales.scales.resize(groups * out);
  if (asymmetric) p.scales.zero_points.resize(groups * out);
  for (size_t i = 0; i < groups * out; ++i) {
    p.scales.scales[i] = 2.5f / code_max(spec) * (1 + 0.1f * static_cast<float>(i % 5));
    if (asymmetric) p.scales.zero_points[i] = static_cast<float>(i % 3) - 1;
  }
  for (size_t j = 0; j < in; ++j) p.scales.column_groups.push_back(static_cast<int32_t>(j / group_size));
  return p;
}

inline float rounded(const Problem& p, size_t row, size_t column, double x, int8_t* code = nullptr) {
  const size_t at = static_cast<size_t>(p.scales.column_groups[column]) * p.out + row;
  const float zero_point = p.scales.zero_points.empty() ? 0 : p.scales.zero_points[at];
  const auto value = static_cast<float>(x);
  const int8_t c = encode(value, value / p.scales.scales[at] + zero_point, p.scales.spec);
  if (code != nullptr) *code = c;
  return decode(c, p.scales.spec, static_cast<int>(zero_point)) * p.scales.scales[at];
}

// tr(ΔW H ΔWᵀ).
inline double loss_of(const Problem& p, const std::vector<float>& result) {
  double loss = 0;
  for (size_t r = 0; r < p.out; ++r) {
    for (size_t i = 0; i < p.in; ++i) {
      for (size_t j = 0; j < p.in; ++j) {
        loss += (double{p.weight[r * p.in + i]} - result[r * p.in + i]) * p.hessian[i * p.in + j] *
                (double{p.weight[r * p.in + j]} - result[r * p.in + j]);
      }
    }
  }
  return loss;
}

// Columns in the order of solving.
inline std::vector<size_t> solving_order(const Problem& p, bool act_order) {
  std::vector<size_t> order(p.in);
  std::iota(order.begin(), order.end(), size_t{0});
  if (act_order)
    std::ranges::stable_sort(order, std::greater{}, [&](size_t j) { return p.hessian[j * p.in + j]; });
  return order;
}

// The Hessian in that order, damped by a share of the mean of its living diagonal; 1 for dead inputs.
inline Matrix damped_hessian(const Problem& p, const std::vector<size_t>& order, double dampening_frac) {
  const size_t n = p.in;
  double mean = 0;
  size_t alive = 0;
  for (size_t j = 0; j < n; ++j) mean += p.hessian[j * n + j], alive += p.hessian[j * n + j] != 0;
  mean = alive == 0 ? 1 : mean / static_cast<double>(alive);
  Matrix h(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) h[i * n + j] = p.hessian[order[i] * n + order[j]];
    h[i * n + i] += h[i * n + i] == 0 ? 1 : dampening_frac * mean;
  }
  return h;
}

// The paper's algorithm without blocks: R from the Cholesky factor of the inverse.
inline std::vector<float> textbook(const Problem& p, bool act_order, double dampening_frac) {
  const size_t n = p.in;
  const std::vector<size_t> order = solving_order(p, act_order);
  const Matrix r = upper_cholesky(inverse_of(damped_hessian(p, order, dampening_frac), n), n);
  std::vector<float> result(p.out * n);
  for (size_t row = 0; row < p.out; ++row) {
    std::vector<double> w(n);
    for (size_t i = 0; i < n; ++i) w[i] = p.weight[row * n + order[i]];
    for (size_t i = 0; i < n; ++i) {
      const float q = rounded(p, row, order[i], w[i]);
      const double e = (w[i] - q) / r[i * n + i];
      for (size_t k = i + 1; k < n; ++k) w[k] -= e * r[i * n + k];
      result[row * n + order[i]] = q;
    }
  }
  return result;
}

inline DeviceTensor put(Backend& b, const std::vector<float>& values, size_t rows, size_t cols) {
  const DeviceTensor t = b.allocate(DType::kF32, rows, cols);
  b.copy_in(t, values.data());
  return t;
}
inline std::vector<float> get(Backend& b, const DeviceTensor& t) {
  std::vector<float> values(t.size());
  b.copy_out(t, values.data());
  return values;
}

}  // namespace tersor
