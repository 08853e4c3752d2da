// Loops over rows of f32 in SIMD: what is between the matrix products.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tersor/backend/backend.h"

namespace tersor {

// One table per SIMD target, chosen at run time. x and y may be the same memory.
struct RowKernels {
  const char* name;

  float (*largest)(const float* x, size_t n);
  // y = exp(x - shift); returns Σ y.
  float (*exp_minus)(const float* x, size_t n, float shift, float* y);
  void (*soft_cap)(float cap, const float* x, size_t n, float* y);
  // y = activation(x) ∘ up; `up` null: y = activation(x).
  void (*activate)(Activation activation, const float* x, const float* up, size_t n, float* y);
  float (*sum)(const float* x, size_t n);
  float (*squared_distance)(const float* x, size_t n, float center);
  // y = (x - center) · factor · (weight + offset) + bias; weight (then 1) and bias (then 0) may be null.
  void (*normalize)(const float* x, size_t n, float center, float factor, const float* weight, float offset,
                    const float* bias, float* y);
  // y = a·x + b·y.
  void (*scale_add)(float a, const float* x, size_t n, float b, float* y);
  // Σ weight · (x − y).
  float (*weighted_difference)(const float* weight, const float* x, const float* y, size_t n);
  // Rounds to nearest, ties to even; NaNs stay NaNs.
  void (*to_bf16)(const float* x, size_t n, uint16_t* y);
  void (*from_bf16)(const uint16_t* x, size_t n, float* y);
};

const RowKernels& cpu_row_kernels();

}  // namespace tersor
