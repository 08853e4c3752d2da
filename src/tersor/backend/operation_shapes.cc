#include "tersor/backend/operation_shapes.h"

#include "tersor/backend/host_memory.h"

namespace tersor {

void require_convert_shapes(const DeviceTensor& from, const DeviceTensor& to) {
  const bool narrows = from.dtype == DType::kF32 && to.dtype == DType::kBF16;
  const bool widens = from.dtype == DType::kBF16 && to.dtype == DType::kF32;
  require_shapes(from.rows == to.rows && from.cols == to.cols && (narrows || widens), "convert");
}

void require_matmul_shapes(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& bias,
                           const DeviceTensor& y) {
  require_shapes(is_f32(x) && is_f32(y) && x.cols == w.in && y.rows == x.rows && y.cols == w.out &&
                     (!bias || bias.size() == w.out),
                 "matmul");
}

size_t require_gemm_shapes(const DeviceTensor& a, bool transpose_a, const DeviceTensor& b, bool transpose_b,
                           const DeviceTensor& c) {
  const size_t depth = transpose_a ? a.rows : a.cols;
  require_shapes(is_f32(a) && is_f32(b) && is_f32(c) && (transpose_a ? a.cols : a.rows) == c.rows &&
                     (transpose_b ? b.cols : b.rows) == depth && (transpose_b ? b.rows : b.cols) == c.cols,
                 "gemm");
  return depth;
}

void require_norm_shapes(const DeviceTensor& x, const DeviceTensor& weight, const DeviceTensor& bias,
                         const DeviceTensor& y) {
  require_shapes(is_f32(x) && is_f32(y) && y.rows == x.rows && y.cols == x.cols &&
                     (!weight || weight.size() == x.cols) && (!bias || bias.size() == x.cols),
                 "norm");
}

void require_rotary_shapes(const RotaryArgs& args, const DeviceTensor& cos, const DeviceTensor& sin,
                           const DeviceTensor& x) {
  require_shapes(is_f32(x) && x.cols == args.heads * args.head_dim &&
                     args.first_dim + args.rotary_dim <= args.head_dim && cos.cols == args.rotary_dim / 2 &&
                     sin.cols == cos.cols && args.first_position + x.rows <= cos.rows,
                 "rotary");
}

void require_attention_shapes(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                              const DeviceTensor& v, const DeviceTensor& out) {
  require_shapes(is_f32(q) && is_f32(k) && is_f32(v) && is_f32(out) && q.cols == args.heads * args.head_dim &&
                     k.cols == args.kv_heads * args.head_dim && v.cols == args.kv_heads * args.value_dim &&
                     v.rows == k.rows && q.rows <= k.rows && out.rows == q.rows &&
                     out.cols == args.heads * args.value_dim && args.heads % args.kv_heads == 0,
                 "attention");
}

void require_fold_softmax_shapes(const DeviceTensor& x, const DeviceTensor& other,
                                 const DeviceTensor& targets, const DeviceTensor& state) {
  require_shapes((!other || (other.rows == x.rows && other.cols == x.cols)) && targets.size() == x.rows &&
                     state.rows == x.rows && state.cols == kSoftmaxSums && x.cols > 0,
                 "fold_softmax");
}

void require_solve_shapes(const DeviceTensor& factor, const DeviceTensor& scales,
                          const DeviceTensor& zero_points, const DeviceTensor& group, const DeviceTensor& w,
                          const DeviceTensor& codes, const DeviceTensor& errors) {
  require_shapes(factor.rows == w.rows && factor.cols == w.rows && scales.cols == w.cols &&
                     (!zero_points || (zero_points.rows == scales.rows && zero_points.cols == scales.cols)) &&
                     group.size() == w.rows && codes.rows == w.rows && codes.cols == w.cols &&
                     errors.rows == w.rows && errors.cols == w.cols,
                 "solve_columns");
}

}  // namespace tersor
