// Matrix products and factorizations, entry by entry from their definitions.
#include <cmath>
#include <vector>

#include "tersor/backend/operation_shapes.h"
#include "tersor/backend/reference/reference_backend.h"
#include "tersor/tensor/matrix_view.h"

namespace tersor {
namespace {

class ReferenceWeight : public PackedWeight {
 public:
  DeviceTensor weight;
};

}  // namespace

std::string ReferenceBackend::describe() const {
  return "reference: plain loops, f32 with sums in double, 1 thread";
}

std::shared_ptr<const PackedWeight> ReferenceBackend::pack(const DeviceTensor& weight) {
  require_shapes(is_weight_dtype(weight.dtype), "pack: weight dtype");
  auto packed = std::make_shared<ReferenceWeight>();
  packed->out = weight.rows;
  packed->in = weight.cols;
  packed->bytes = weight.bytes();
  packed->weight = weight;
  return packed;
}

void ReferenceBackend::matmul(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& bias,
                              const DeviceTensor& y) {
  require_matmul_shapes(x, w, bias, y);
  const DeviceTensor& weight = static_cast<const ReferenceWeight&>(w).weight;
  visit_weight({weight.data<std::byte>(), weight.dtype, w.out, w.in}, [&](const auto& view) {
    for (size_t m = 0; m < x.rows; ++m) {
      const float* row = x.data<float>() + m * x.cols;
      for (size_t n = 0; n < w.out; ++n) {
        double sum = bias ? bias.data<float>()[n] : 0.0;
        for (size_t k = 0; k < w.in; ++k) sum += double{row[k]} * to_float(view.row(n)[k]);
        y.data<float>()[m * w.out + n] = static_cast<float>(sum);
      }
    }
  });
}

void ReferenceBackend::gemm(float alpha, const DeviceTensor& a, bool transpose_a, const DeviceTensor& b,
                            bool transpose_b, float beta, const DeviceTensor& c) {
  const size_t depth = require_gemm_shapes(a, transpose_a, b, transpose_b, c);
  for (size_t i = 0; i < c.rows; ++i) {
    for (size_t j = 0; j < c.cols; ++j) {
      double sum = 0;
      for (size_t k = 0; k < depth; ++k) {
        const float left = a.data<float>()[transpose_a ? k * a.cols + i : i * a.cols + k];
        const float right = b.data<float>()[transpose_b ? j * b.cols + k : k * b.cols + j];
        sum += double{left} * right;
      }
      float& out = c.data<float>()[i * c.cols + j];
      out = static_cast<float>(alpha * sum + (beta == 0 ? 0.0 : double{beta} * out));
    }
  }
}

void ReferenceBackend::syrk(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h) {
  gemm(alpha, x, true, x, false, beta, h);
}

bool ReferenceBackend::cholesky(const DeviceTensor& a) {
  require_shapes(a.rows == a.cols, "cholesky");
  const size_t n = a.rows;
  float* values = a.data<float>();
  std::vector<double> l(n * n, 0.0);
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = j; i < n; ++i) {
      double sum = values[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= l[i * n + k] * l[j * n + k];
      if (i == j && !(sum > 0)) return false;
      l[i * n + j] = i == j ? std::sqrt(sum) : sum / l[j * n + j];
    }
  }
  for (size_t i = 0; i < n * n; ++i) values[i] = static_cast<float>(l[i]);
  return true;
}

void ReferenceBackend::invert_lower(const DeviceTensor& a) {
  require_shapes(a.rows == a.cols, "invert_lower");
  const size_t n = a.rows;
  float* l = a.data<float>();
  std::vector<double> inverse(n * n, 0.0);
  for (size_t j = 0; j < n; ++j) {
    inverse[j * n + j] = 1.0 / l[j * n + j];
    for (size_t i = j + 1; i < n; ++i) {
      double sum = 0;
      for (size_t k = j; k < i; ++k) sum += l[i * n + k] * inverse[k * n + j];
      inverse[i * n + j] = -sum / l[i * n + i];
    }
  }
  for (size_t i = 0; i < n * n; ++i) l[i] = static_cast<float>(inverse[i]);
}

}  // namespace tersor
