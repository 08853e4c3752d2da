// XᵀX: in bf16 through oneDNN where weights are multiplied in bf16, else in f32 through OpenBLAS.
//
// bf16 products are exact in f32, so that rounding x once is all that is lost. Of the symmetric matrix only
// panels that hold the upper triangle are computed: panel p of rows [r, r') covers the columns from r on, and
// with 8 panels that is 56 % of the square.
#include <algorithm>

#include "tersor/backend/cpu/cpu_backend.h"
#include "tersor/backend/cpu/onednn_engine.h"
#include "tersor/backend/operation_shapes.h"

namespace tersor {
namespace {

using dnnl::memory;

constexpr size_t kPanels = 8;
constexpr size_t kLeastPanel = 64;

memory::desc strided(size_t rows, size_t cols, size_t row_stride, size_t col_stride, memory::data_type type) {
  using dim = memory::dim;
  return {{static_cast<dim>(rows), static_cast<dim>(cols)},
          type,
          {static_cast<dim>(row_stride), static_cast<dim>(col_stride)}};
}

}  // namespace

void CpuBackend::syrk(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h) {
  require_shapes(is_f32(x) && h.rows == x.cols && h.cols == x.cols, "syrk");
  if (x.rows == 0) return;
  if (bf16_) {
    gram_bf16(alpha, x, beta, h);
  } else {
    gram_f32(alpha, x, beta, h);
  }
  mirror_upper(h);
}

void CpuBackend::gram_bf16(float alpha, const DeviceTensor& x, float beta, const DeviceTensor& h) {
  const size_t n = x.cols, tokens = x.rows;
  const DeviceTensor rounded = allocate(DType::kBF16, tokens, n);
#pragma omp parallel for num_threads(threads_)
  for (size_t r = 0; r < tokens; ++r)
    rows_.to_bf16(x.data<float>() + r * n, n, rounded.data<uint16_t>() + r * n);

  dnnl::post_ops post;
  if (alpha != 1) post.append_eltwise(1.0f, dnnl::algorithm::eltwise_linear, alpha, 0.0f);
  if (beta != 0) post.append_sum(beta);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post);
  dnnl::stream stream(engine());
  const size_t panel = std::max(kLeastPanel, (n + kPanels - 1) / kPanels);
  for (size_t r = 0; r < n; r += panel) {
    const size_t rows = std::min(panel, n - r), cols = n - r;
    const auto left = strided(rows, tokens, 1, n, memory::data_type::bf16);
    const auto right = strided(tokens, cols, n, 1, memory::data_type::bf16);
    const auto result = strided(rows, cols, n, 1, memory::data_type::f32);
    const dnnl::matmul product(dnnl::matmul::primitive_desc({left, right, result}, attributes, engine()));
    uint16_t* data = rounded.data<uint16_t>() + r;
    product.execute(stream, {{DNNL_ARG_SRC, memory(left, engine(), data)},
                             {DNNL_ARG_WEIGHTS, memory(right, engine(), data)},
                             {DNNL_ARG_DST, memory(result, engine(), h.data<float>() + r * n + r)}});
  }
  stream.wait();
}

// The lower triangle from the upper one.
void CpuBackend::mirror_upper(const DeviceTensor& h) {
  const size_t n = h.cols;
  float* values = h.data<float>();
  constexpr size_t kBlock = 64;  // the transposed reads stay in L1
#pragma omp parallel for num_threads(threads_) schedule(dynamic) if (n > 256)
  for (size_t bi = 0; bi < n; bi += kBlock) {
    for (size_t bj = 0; bj <= bi; bj += kBlock) {
      for (size_t i = bi; i < std::min(bi + kBlock, n); ++i) {
        for (size_t j = bj; j < std::min(bj + kBlock, i); ++j) values[i * n + j] = values[j * n + i];
      }
    }
  }
}

}  // namespace tersor
