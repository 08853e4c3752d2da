// Weight solvers and statistics on the CPU: strips of rows spread over the threads.
#include <algorithm>
#include <cstring>
#include <vector>

#include <omp.h>

#include "tersor/backend/cpu/cpu_backend.h"
#include "tersor/backend/cpu/solve_kernels.h"
#include "tersor/backend/operation_shapes.h"

namespace tersor {
namespace {

// Columns that a thread sums at a time: they stay in the first-level cache while all rows pass.
constexpr size_t kSumColumns = 1024;

// A thread's buffers, each [n, kSolveStrip].
class Strip {
 public:
  explicit Strip(size_t n) : storage_(4 * n * kSolveStrip + 16), codes_(n * kSolveStrip + 64) {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    tile = storage_.data() + (64 - address % 64) % 64 / sizeof(float);
    errors = tile + n * kSolveStrip;
    scales = errors + n * kSolveStrip;
    zero_points = scales + n * kSolveStrip;
    codes = codes_.data();
  }
  float* tile;
  float* errors;
  float* scales;
  float* zero_points;
  int8_t* codes;

 private:
  std::vector<float> storage_;
  std::vector<int8_t> codes_;
};

// Row i of a strip from `from`; what is behind the last output row becomes `padding`.
void take(const float* from, size_t rows, float padding, float* strip, size_t i) {
  float* to = strip + i * kSolveStrip;
  std::copy_n(from, rows, to);
  std::fill(to + rows, to + kSolveStrip, padding);
}

}  // namespace

void CpuBackend::solve_columns(const CodeSpec& spec, const DeviceTensor& factor, const DeviceTensor& scales,
                               const DeviceTensor& zero_points, const DeviceTensor& group,
                               const DeviceTensor& w, const DeviceTensor& codes, const DeviceTensor& errors) {
  require_solve_shapes(factor, scales, zero_points, group, w, codes, errors);
  const SolveKernels* kernels = cpu_solve_kernels();
  if (kernels == nullptr)
    return ReferenceBackend::solve_columns(spec, factor, scales, zero_points, group, w, codes, errors);
  const size_t n = w.rows, out = w.cols;
  const size_t strips = (out + kSolveStrip - 1) / kSolveStrip;
#pragma omp parallel num_threads(threads_)
  {
    Strip local(n);
#pragma omp for schedule(static)
    for (size_t s = 0; s < strips; ++s) {
      const size_t first = s * kSolveStrip, rows = std::min(kSolveStrip, out - first);
      for (size_t i = 0; i < n; ++i) {
        const size_t scale_at = static_cast<size_t>(group.data<int32_t>()[i]) * out + first;
        take(w.data<float>() + i * out + first, rows, 0, local.tile, i);
        take(scales.data<float>() + scale_at, rows, 1, local.scales, i);
        if (zero_points) take(zero_points.data<float>() + scale_at, rows, 0, local.zero_points, i);
      }
      const SolveStrip strip{.spec = spec,
                             .n = n,
                             .factor = factor.data<float>(),
                             .scales = local.scales,
                             .zero_points = local.zero_points};
      kernels->solve_columns(strip, local.tile, local.errors, local.codes);
      for (size_t i = 0; i < n; ++i) {
        const size_t at = i * out + first, from = i * kSolveStrip;
        std::copy_n(local.tile + from, rows, w.data<float>() + at);
        std::copy_n(local.errors + from, rows, errors.data<float>() + at);
        std::copy_n(local.codes + from, rows, codes.data<int8_t>() + at);
      }
    }
  }
}

void CpuBackend::transpose(const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(y.rows == x.cols && y.cols == x.rows, "transpose");
  constexpr size_t kBlock = 32;
  const float* from = x.data<float>();
  float* to = y.data<float>();
#pragma omp parallel for num_threads(threads_) schedule(static) if (x.size() > 16384)
  for (size_t c0 = 0; c0 < x.cols; c0 += kBlock) {
    const size_t c1 = std::min(c0 + kBlock, x.cols);
    for (size_t r0 = 0; r0 < x.rows; r0 += kBlock) {
      const size_t r1 = std::min(r0 + kBlock, x.rows);
      for (size_t c = c0; c < c1; ++c) {
        for (size_t r = r0; r < r1; ++r) to[c * x.rows + r] = from[r * x.cols + c];
      }
    }
  }
}

void CpuBackend::add_squares(const DeviceTensor& x, const DeviceTensor& s) { add_products(x, x, s); }

void CpuBackend::add_products(const DeviceTensor& x, const DeviceTensor& y, const DeviceTensor& s) {
  require_shapes(is_f32(x) && is_f32(y) && x.rows == y.rows && x.cols == y.cols && s.size() == x.cols,
                 "add_products");
  const SolveKernels* kernels = cpu_solve_kernels();
  if (kernels == nullptr) return ReferenceBackend::add_products(x, y, s);
#pragma omp parallel for num_threads(threads_) schedule(static) if (x.size() > 16384)
  for (size_t c = 0; c < x.cols; c += kSumColumns) {
    const size_t count = std::min(kSumColumns, x.cols - c);
    for (size_t r = 0; r < x.rows; ++r) {
      kernels->add_products(x.data<float>() + r * x.cols + c, y.data<float>() + r * x.cols + c, count,
                            s.data<float>() + c);
    }
  }
}

void CpuBackend::row_ranges(const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(is_f32(x) && y.rows == x.rows && y.cols == 2 && x.cols > 0, "row_ranges");
  const SolveKernels* kernels = cpu_solve_kernels();
  if (kernels == nullptr) return ReferenceBackend::row_ranges(x, y);
#pragma omp parallel for num_threads(threads_) schedule(static) if (x.size() > 16384)
  for (size_t r = 0; r < x.rows; ++r)
    kernels->row_range(x.data<float>() + r * x.cols, x.cols, y.data<float>() + 2 * r);
}

}  // namespace tersor
