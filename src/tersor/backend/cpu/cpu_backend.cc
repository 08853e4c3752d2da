#include "tersor/backend/cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <omp.h>

#include "tersor/backend/cpu/cpu_attention_bf16.h"
#include "tersor/backend/cpu/weight_kernels.h"
#include "tersor/backend/operation_shapes.h"
#include "tersor/base/error.h"
#include "tersor/parallel/thread_pool.h"

namespace tersor {
namespace {

// Below this many elements a loop is over before a second thread has begun.
constexpr size_t kSerialElements = 8192;

template <typename F>
void each_row(size_t rows, size_t cols, int threads, F&& f) {
#pragma omp parallel for num_threads(threads) if (rows * cols > kSerialElements)
  for (size_t r = 0; r < rows; ++r) f(r);
}

}  // namespace

CpuBackend::CpuBackend(bool bf16, size_t threads)
    : bf16_(bf16), threads_(static_cast<int>(threads)), rows_(cpu_row_kernels()) {
  omp_set_num_threads(threads_);
}

std::string CpuBackend::describe() const {
  const std::string weights =
      bf16_ ? fmt::format("weights{} in bf16 with f32 sums (oneDNN, {})",
                          cpu_has_bf16_attention() ? " and attention" : "", cpu_matmul_isa())
            : fmt::format("weights in f32 ({} for those kept in bf16; oneDNN, {})", cpu_weight_kernels().name,
                          cpu_matmul_isa());
  return fmt::format("cpu: {}, other matrices in f32 (OpenBLAS), rows in f32 ({}), {} thread{}", weights,
                     rows_.name, threads_, threads_ == 1 ? "" : "s");
}

void CpuBackend::convert(const DeviceTensor& from, const DeviceTensor& to) {
  require_convert_shapes(from, to);
  const size_t n = from.cols;
  each_row(from.rows, n, threads_, [&](size_t r) {
    if (to.dtype == DType::kBF16) {
      rows_.to_bf16(from.data<float>() + r * n, n, to.data<uint16_t>() + r * n);
    } else {
      rows_.from_bf16(from.data<uint16_t>() + r * n, n, to.data<float>() + r * n);
    }
  });
}

void CpuBackend::norm(const NormArgs& args, const DeviceTensor& x, const DeviceTensor& weight,
                      const DeviceTensor& bias, const DeviceTensor& y) {
  const size_t n = x.cols;
  require_norm_shapes(x, weight, bias, y);
  each_row(x.rows, n, threads_, [&](size_t r) {
    const float* in = x.data<float>() + r * n;
    const float count = static_cast<float>(n);
    const float center = args.layer_norm ? rows_.sum(in, n) / count : 0.0f;
    const float factor = 1.0f / std::sqrt(rows_.squared_distance(in, n, center) / count + args.epsilon);
    rows_.normalize(in, n, center, factor, weight.data<float>(), args.offset_one ? 1.0f : 0.0f,
                    bias.data<float>(), y.data<float>() + r * n);
  });
}

void CpuBackend::rotary(const RotaryArgs& args, const DeviceTensor& cos, const DeviceTensor& sin,
                        const DeviceTensor& x) {
  // Here, since nothing may be thrown out of a parallel loop.
  require_rotary_shapes(args, cos, sin, x);
  each_row(x.rows, x.cols, threads_, [&](size_t r) {
    RotaryArgs one = args;
    one.first_position += r;
    ReferenceBackend::rotary(one, cos, sin, x.sub_rows(r, 1));
  });
}

void CpuBackend::softmax(const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(x.rows == y.rows && x.cols == y.cols, "softmax");
  each_row(x.rows, x.cols, threads_, [&](size_t r) {
    const float* in = x.data<float>() + r * x.cols;
    float* out = y.data<float>() + r * x.cols;
    const float total = rows_.exp_minus(in, x.cols, rows_.largest(in, x.cols), out);
    rows_.scale_add(0, out, x.cols, 1 / total, out);
  });
}

void CpuBackend::fold_softmax(const DeviceTensor& x, size_t first_column, const DeviceTensor& other,
                              const DeviceTensor& targets, const DeviceTensor& state) {
  require_fold_softmax_shapes(x, other, targets, state);
  const size_t n = x.cols;
  const DeviceTensor exps = allocate(DType::kF32, static_cast<size_t>(threads_), n);
#pragma omp parallel for num_threads(threads_)
  for (size_t r = 0; r < x.rows; ++r) {
    const float* row = x.data<float>() + r * n;
    float* e = exps.data<float>() + static_cast<size_t>(omp_get_thread_num()) * n;
    SoftmaxSums& sums = state.data<SoftmaxSums>()[r];
    const float largest = rows_.largest(row, n);
    if (largest > sums.largest) {
      const float shrink = std::exp(sums.largest - largest);
      sums.sum *= shrink;
      sums.difference *= shrink;
      sums.largest = largest;
      sums.column =
          static_cast<float>(first_column + static_cast<size_t>(std::find(row, row + n, largest) - row));
    }
    sums.sum += rows_.exp_minus(row, n, sums.largest, e);
    if (other) sums.difference += rows_.weighted_difference(e, row, other.data<float>() + r * n, n);
    const auto target = static_cast<size_t>(targets.data<int32_t>()[r]);
    if (target >= first_column && target - first_column < n) sums.target = row[target - first_column];
  }
}

void CpuBackend::activate(Activation activation, const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(x.rows == y.rows && x.cols == y.cols, "activate");
  each_row(x.rows, x.cols, threads_, [&](size_t r) {
    rows_.activate(activation, x.data<float>() + r * x.cols, nullptr, x.cols, y.data<float>() + r * x.cols);
  });
}

void CpuBackend::gated(Activation activation, const DeviceTensor& gate, const DeviceTensor& up,
                       const DeviceTensor& y) {
  require_shapes(
      is_f32(gate) && is_f32(up) && gate.size() == up.size() && gate.rows == y.rows && gate.cols == y.cols,
      "gated");
  const size_t n = gate.cols;
  each_row(gate.rows, n, threads_, [&](size_t r) {
    rows_.activate(activation, gate.data<float>() + r * n, up.data<float>() + r * n, n,
                   y.data<float>() + r * n);
  });
}

void CpuBackend::add(const DeviceTensor& a, float factor, const DeviceTensor& b, const DeviceTensor& y) {
  if (a.buffer != y.buffer || a.offset != y.offset) return ReferenceBackend::add(a, factor, b, y);
  require_shapes(is_f32(a) && is_f32(b) && a.size() == b.size() && a.size() == y.size(), "add");
  const size_t n = y.cols;
  each_row(y.rows, n, threads_, [&](size_t r) {
    rows_.scale_add(factor, b.data<float>() + r * n, n, 1, y.data<float>() + r * n);
  });
}

void CpuBackend::soft_cap(float cap, const DeviceTensor& x, const DeviceTensor& y) {
  require_shapes(x.rows == y.rows && x.cols == y.cols, "soft_cap");
  each_row(x.rows, x.cols, threads_, [&](size_t r) {
    rows_.soft_cap(cap, x.data<float>() + r * x.cols, x.cols, y.data<float>() + r * x.cols);
  });
}

void CpuBackend::fake_quantize(const ActivationQuantArgs& args, const DeviceTensor& x,
                               const DeviceTensor& y) {
  require_shapes(is_f32(x) && x.rows == y.rows && x.cols == y.cols, "fake_quantize");
  each_row(x.rows, x.cols, threads_, [&](size_t r) {
    fake_quantize_row(args, x.data<float>() + r * x.cols, x.cols, y.data<float>() + r * x.cols);
  });
}

std::unique_ptr<Backend> make_cpu_backend(MatmulPrecision precision, size_t threads) {
  const bool has_bf16 = cpu_has_bf16_matmul();
  if (precision == MatmulPrecision::kBF16 && !has_bf16) {
    throw usage_error(
        fmt::format("this CPU does not multiply bf16 ({}; AVX512-BF16 or AMX is needed)", cpu_matmul_isa()),
        "use f32, which is faster here than emulated bf16");
  }
  const bool bf16 = precision != MatmulPrecision::kF32 && has_bf16;
  return std::make_unique<CpuBackend>(bf16, threads == 0 ? available_cpus() : threads);
}

CpuMatmul cpu_matmul() { return {cpu_has_bf16_matmul(), cpu_matmul_isa()}; }

std::string describe_cpu_backend() { return make_cpu_backend()->describe(); }

}  // namespace tersor
