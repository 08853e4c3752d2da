// The factor of a Hessian that GPTQ solves with, made once for all linears that read the same input.
//
// H = 2/n · XᵀX [in, in] is damped, H + λI + s·diag(H) with λ = dampening_frac · mean(diag H) and s the
// shrinkage (of correlations: the factor is that of (1 − γ)·H + γ·diag(H), γ = s / (1 + s), but for its
// size; Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices", with
// the diagonal for a target), and its columns are put in
// the order in which they will be solved, the first one last. With L·Lᵀ = that matrix, L⁻¹ is the factor: it
// is the upper triangular R of RᵀR = H⁻¹ (Frantar et al. 2022, arXiv 2210.17323, section 3.3, step 3) read
// from the other end, for one Cholesky factorization and one triangular inverse in place of two and a full
// inverse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/modifiers/gptq/stored_hessian.h"

namespace tersor {

enum class ColumnOrder {
  kNatural,     // first column first
  kDescending,  // by the diagonal of H: actorder `static` or `weight`
};

struct HessianFactor {
  std::vector<int32_t> order;  // the column at each place; places are solved from the last to the first
  DeviceTensor inverse;        // L⁻¹ [in, in] f32, lower triangular, columns in `order`
  std::vector<float> damping;  // [in], by column: what was added to the diagonal of H
  double dampening_frac = 0;   // that led to a factor: what was asked for, or 10, 100, 1000 times it
  size_t dead_inputs = 0;  // columns with H_jj = 0: they were given H_jj = 1, which leaves them to themselves
};

// Factors `hessian`, which is not changed; memory: one matrix of its size, which the factor keeps. A matrix
// that is not positive definite in f32 is tried again with dampening_frac · 10, up to three times; nullopt
// when that does not help either. REQUIRES: a finite diagonal.
std::optional<HessianFactor> factor_hessian(Backend& backend, const StoredHessian& hessian, ColumnOrder order,
                                            double dampening_frac, double shrinkage = 0);

}  // namespace tersor
