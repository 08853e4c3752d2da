// Products and factorizations of f32 matrices, through OpenBLAS.
#include <algorithm>
#include <cstdint>

#include <cblas.h>

#include "tersor/backend/cpu/cpu_backend.h"
#include "tersor/backend/operation_shapes.h"
#include "tersor/base/error.h"

// LAPACK's own (Fortran) entry points, which OpenBLAS has: the C ones of LAPACKE would only copy the matrix.
extern "C" {
void spotrf_(const char* uplo, const int* n, float* a, const int* lda, int* info);
void strtri_(const char* uplo, const char* diag, const int* n, float* a, const int* lda, int* info);
}

namespace tersor {
namespace {

int blas_int(size_t n) {
  if (n > INT32_MAX) throw runtime_error("a matrix side above 2^31 is more than BLAS can count");
  return static_cast<int>(n);
}

void zero_above_diagonal(float* a, size_t n) {
  for (size_t i = 0; i < n; ++i) std::fill(a + i * n + i + 1, a + (i + 1) * n, 0.0f);
}

}  // namespace

void CpuBackend::gemm(float alpha, const DeviceTensor& a, bool transpose_a, const DeviceTensor& b,
                      bool transpose_b, float beta, const DeviceTensor& c) {
  const size_t depth = require_gemm_shapes(a, transpose_a, b, transpose_b, c);
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
              blas_int(c.rows), blas_int(c.cols), blas_int(depth), alpha, a.data<float>(), blas_int(a.cols),
              b.data<float>(), blas_int(b.cols), beta, c.data<float>(), blas_int(c.cols));
}

// The upper triangle alone.
void CpuBackend::gram_f32(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h) {
  cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, blas_int(h.cols), blas_int(x.rows), alpha,
              x.data<float>(), blas_int(x.cols), beta, h.data<float>(), blas_int(h.cols));
}

bool CpuBackend::cholesky(const DeviceTensor& a) {
  require_shapes(a.rows == a.cols, "cholesky");
  const int n = blas_int(a.rows);
  int info = 0;
  spotrf_("U", &n, a.data<float>(), &n, &info);  // column-major upper is row-major lower
  if (info != 0) return false;
  zero_above_diagonal(a.data<float>(), a.rows);
  return true;
}

void CpuBackend::invert_lower(const DeviceTensor& a) {
  require_shapes(a.rows == a.cols, "invert_lower");
  const int n = blas_int(a.rows);
  int info = 0;
  strtri_("U", "N", &n, a.data<float>(), &n, &info);
  zero_above_diagonal(a.data<float>(), a.rows);
}

}  // namespace tersor
