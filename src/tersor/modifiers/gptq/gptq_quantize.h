// GPTQ: rounds a weight column by column, and lets the columns that are left make up for each column's error.
//
//   for columns i in the factor's order:  q = Q(w_i),  e = (w_i − q) / R_ii,  w_k −= e · R_ik for the columns
//   k left
//
// (Frantar et al. 2022, arXiv 2210.17323, Algorithm 1.) What it minimises is tr(ΔW H ΔWᵀ), the squared error
// of the linear's outputs over the calibration tokens. Columns are taken in lazy blocks: inside a block one
// by one, then one matrix product updates all columns left.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/modifiers/gptq/hessian_factor.h"
#include "tersor/quantization/column_scales.h"

namespace tersor {

struct GptqResult {
  std::vector<int8_t> codes;  // [out, in], as QuantizeKernels::quantize_groups makes them
  DeviceTensor weight;        // Ŵ [out, in] f32: what the codes stand for
  double loss = 0;            // tr(ΔW (H + damping) ΔWᵀ)
};

// `weight` [out, in] f32 is not changed. `block_size`: columns per lazy block; the result depends on it
// through the order of f32 sums alone. Memory: 10 · in · min(out, 1024) bytes beside the result.
GptqResult gptq_quantize(Backend& backend, const DeviceTensor& weight, const HessianFactor& factor,
                         const ColumnScales& scales, size_t block_size = 128);

// tr(D H Dᵀ) for D [out, in]: what an error D of the weight costs in squared output error.
double output_error(Backend& backend, const StoredHessian& hessian, const DeviceTensor& difference);

}  // namespace tersor
