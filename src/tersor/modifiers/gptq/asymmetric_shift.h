// GPTAQ (Li et al. 2025, arXiv 2504.02692): GPTQ that also makes up for what the linear's input has lost.
//
// A linear reads X, which carries the errors made before it, where the source model reads X̃. GPTQ keeps the
// output near W·X; GPTAQ keeps it near W·X̃: it minimises ‖Ŵ·X − W·X̃‖². Of the residual W·(X̃ − X), column i's
// part w_i·(x̃_i − x_i) is made up for by the columns that are solved after it, in the least-squares sense:
//   w_k += w_i · P_ik,   P = ((D·Rᵀ) ∘ strictly upper) · R,   D = (X̃ − X)·Xᵀ, RᵀR = (X·Xᵀ)⁻¹
// with columns in the order of solving. These terms, and those of GPTQ, are added to columns that are not yet
// rounded, so their order does not matter: GPTAQ is GPTQ on W·(I + P). w_i is the source's column; the
// paper's listing takes it as it stands when it is solved, which leaves more of the objective
// (asymmetric_shift_test.cc).
#pragma once

#include "tersor/modifiers/gptq/hessian_factor.h"

namespace tersor {

// P [in, in] f32, in the weight's own order of columns. `factor`: of H = c·X·Xᵀ; `cross`: c·(X̃ − X)·Xᵀ with
// the same c, [in, in], row i of input x̃_i − x_i. Memory: 3 matrices of that size beside the arguments.
DeviceTensor asymmetric_shift(Backend& backend, const HessianFactor& factor, const DeviceTensor& cross);

}  // namespace tersor
