// What the operands of an operation must agree in, whichever back end runs it. All throw std::logic_error
// (require_shapes) when they do not.
#pragma once

#include "tersor/backend/backend.h"

namespace tersor {

// Activations are; other tensors may wait in bf16, and their bytes are no numbers to an operation.
inline bool is_f32(const DeviceTensor& x) { return x.dtype == DType::kF32; }

// f32 → bf16 or bf16 → f32.
void require_convert_shapes(const DeviceTensor& from, const DeviceTensor& to);
void require_matmul_shapes(const DeviceTensor& x, const PackedWeight& w, const DeviceTensor& bias,
                           const DeviceTensor& y);
// Returns the columns that are summed over.
size_t require_gemm_shapes(const DeviceTensor& a, bool transpose_a, const DeviceTensor& b, bool transpose_b,
                           const DeviceTensor& c);
void require_norm_shapes(const DeviceTensor& x, const DeviceTensor& weight, const DeviceTensor& bias,
                         const DeviceTensor& y);
void require_rotary_shapes(const RotaryArgs& args, const DeviceTensor& cos, const DeviceTensor& sin,
                           const DeviceTensor& x);
void require_attention_shapes(const AttentionArgs& args, const DeviceTensor& q, const DeviceTensor& k,
                              const DeviceTensor& v, const DeviceTensor& out);
void require_fold_softmax_shapes(const DeviceTensor& x, const DeviceTensor& other,
                                 const DeviceTensor& targets, const DeviceTensor& state);

void require_solve_shapes(const DeviceTensor& factor, const DeviceTensor& scales,
                          const DeviceTensor& zero_points, const DeviceTensor& group, const DeviceTensor& w,
                          const DeviceTensor& codes, const DeviceTensor& errors);

}  // namespace tersor
