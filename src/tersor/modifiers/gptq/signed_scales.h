// Scales of either sign for symmetric ints.
//
// Their codes reach one step further below zero than above it: -8 … 7 of 4 bits. A positive scale gives the
// longer side to the negative weights of a group; a negative one turns the group over. Where the side with
// the largest weights gets it, the steps can be finer: with 4 bits a seventh of the squared error is gone,
// with 3 bits more, with 8 nothing that could be measured. A reader multiplies codes by scales and does not
// see it.
#pragma once

#include <span>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

// Symmetric ints of at most 4 bits in groups or channels, whose scale observer imatrix_mse searches, and
// activations as they come: kernels that multiply ints by ints may keep their scales in other forms.
bool takes_signed_scales(const QuantizationScheme& scheme);

// `scales` [rows, groups], positive, those that the search found for `rows`, become negative where that loses
// less: Σ cost_j · (w_j − q_j)² of a group, `costs` [cols] by column. REQUIRES: takes_signed_scales(), finite
// weights.
void choose_signs(const QuantizationArgs& args, const WeightView& rows, std::span<const float> costs,
                  const QuantizeKernels& kernels, std::span<float> scales);

}  // namespace tersor
