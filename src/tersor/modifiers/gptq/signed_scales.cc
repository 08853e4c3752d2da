#include "tersor/modifiers/gptq/signed_scales.h"

#include <cstddef>
#include <cstring>
#include <vector>

#include "tersor/quantization/observer.h"
#include "tersor/quantization/qparams.h"
#include "tersor/tensor/matrix_view.h"

namespace tersor {
namespace {

constexpr int kMostBits = 4;

// Every weight with the other sign: of all dtypes of weights the last byte holds it.
std::vector<std::byte> turned_over(const WeightView& rows) {
  const size_t size = dtype_size(rows.dtype);
  std::vector<std::byte> turned(rows.rows * rows.cols * size);
  std::memcpy(turned.data(), rows.data, turned.size());
  for (size_t i = size - 1; i < turned.size(); i += size) turned[i] ^= std::byte{0x80};
  return turned;
}

// What each group loses under its scale.
std::vector<double> group_losses(const WeightView& rows, size_t group_size, const CodeSpec& spec,
                                 std::span<const float> scales, std::span<const float> costs,
                                 const QuantizeKernels& kernels) {
  std::vector<int8_t> codes(rows.rows * rows.cols);
  std::vector<float> values(codes.size());
  kernels.quantize_groups(rows, group_size, spec, scales.data(), nullptr, codes.data());
  kernels.dequantize_groups(codes.data(), rows.rows, rows.cols, group_size, spec, scales.data(), nullptr,
                            values.data());
  std::vector<double> losses(scales.size());
  const size_t groups = rows.cols / group_size;
  visit_weight(rows, [&](const auto& view) {
    for (size_t g = 0; g < losses.size(); ++g) {
      const auto* weights = view.data + g * group_size;
      const float* rounded = values.data() + g * group_size;
      const float* cost = costs.data() + g % groups * group_size;
      double loss = 0;
      for (size_t i = 0; i < group_size; ++i) {
        const double error = double{to_float(weights[i])} - double{rounded[i]};
        loss += double{cost[i]} * error * error;
      }
      losses[g] = loss;
    }
  });
  return losses;
}

}  // namespace

bool takes_signed_scales(const QuantizationScheme& scheme, const GptqParameters& parameters) {
  const auto& w = scheme.weights;
  return parameters.signed_scales && w && w->type == QuantizationType::kInt && w->symmetric &&
         w->num_bits <= kMostBits && w->observer == "imatrix_mse" && !scheme.input_activations &&
         (w->strategy == Strategy::kGroup || w->strategy == Strategy::kChannel);
}

void choose_signs(const QuantizationArgs& args, const WeightView& rows, std::span<const float> costs,
                  const QuantizeKernels& kernels, std::span<float> scales) {
  const size_t group_size = args.group_size ? static_cast<size_t>(*args.group_size) : rows.cols;
  const CodeSpec spec = code_spec(args);
  const std::vector<std::byte> bytes = turned_over(rows);
  const WeightView turned{bytes.data(), rows.dtype, rows.rows, rows.cols};
  std::vector<MinMax> ranges(scales.size());
  kernels.mse_groups(turned, group_size, spec, true, search_storage(args, rows.dtype), *mse_grid(args),
                     costs.data(), ranges.data());
  QParams qparams;
  compute_qparams(args, rows.dtype, ranges, 0, qparams);
  const std::vector<double> as_is = group_losses(rows, group_size, spec, scales, costs, kernels),
                            over = group_losses(turned, group_size, spec, qparams.scales, costs, kernels);
  for (size_t g = 0; g < scales.size(); ++g) {
    if (over[g] < as_is[g]) scales[g] = -qparams.scales[g];
  }
}

}  // namespace tersor
