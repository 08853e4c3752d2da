// Scales of either sign for symmetric ints.
//
// Their codes reach one step further below zero than above it: -8 … 7 of 4 bits. A positive scale gives the
// longer side to the negative weights of a group; a negative one turns the group over. Where the side with
// the largest weights gets it, the steps can be finer: by up to 7.5 to 8 with 4 bits,
// more with fewer, by next to nothing with 8. A reader multiplies codes by scales and does not see it.
#pragma once

#include <span>

#include "tersor/backend/quantize_kernels.h"
#include "tersor/modifiers/gptq/gptq_modifier.h"

namespace tersor {

// Symmetric ints of at most 4 bits in groups or channels, whose scale observer imatrix_mse searches, and
// activations as they come (kernels that multiply ints by ints may keep their scales in other forms), unless
// `parameters` want positive ones.
bool takes_signed_scales(const QuantizationScheme& scheme, const GptqParameters& parameters);

// `scales` [rows, groups], positive, those that the search found for `rows`, become negative where that loses
// less: Σ cost_j · (w_j − q_j)² of a group, `costs` [cols] by column. REQUIRES: takes_signed_scales(), finite
// weights.
void choose_signs(const QuantizationArgs& args, const WeightView& rows, std::span<const float> costs,
                  const QuantizeKernels& kernels, std::span<float> scales);

}  // namespace tersor
