#include "tersor/compressors/weight_layout.h"

#include <numeric>

#include "tersor/base/checked_math.h"

namespace tersor {
namespace {

ScaleGrid scale_grid(const QuantizationArgs& args, uint64_t out, uint64_t in) {
  ScaleGrid grid{.span_rows = 1, .span_cols = in, .rows = out, .cols = 1};
  if (args.strategy == Strategy::kTensor) {
    grid.span_rows = out;
  } else if (args.strategy == Strategy::kBlock) {
    grid.span_rows = static_cast<uint64_t>((*args.block_structure)[0]);
    grid.span_cols = static_cast<uint64_t>((*args.block_structure)[1]);
  } else if (args.group_size) {
    grid.span_cols = static_cast<uint64_t>(*args.group_size);
  }
  grid.rows = ceil_div(out, grid.span_rows);
  grid.cols = ceil_div(in, grid.span_cols);
  return grid;
}

}  // namespace

WeightLayout weight_layout(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out, uint64_t in) {
  const QuantizationArgs& args = *scheme.weights;
  WeightLayout layout{.args = &args,
                      .format = &weight_format(format_of(scheme)),
                      .out = out,
                      .in = in,
                      .grid = scale_grid(args, out, in),
                      .scale_dtype = stored_scale_dtype(args, weight_dtype),
                      .kernel_group = 0};
  layout.kernel_group = std::gcd(layout.grid.span_cols, in);
  size_t next = WeightLayout::kScales + 1;
  if (layout.format->stores_shape) layout.shape = next++;
  if (layout.format->stores_global_scale) layout.global_scale = next++;
  if (!args.symmetric) layout.zero_points = next++;
  return layout;
}

std::vector<StoredTensor> stored_tensors(const QuantizationScheme& scheme, DType weight_dtype, uint64_t out,
                                         uint64_t in) {
  const WeightLayout layout = weight_layout(scheme, weight_dtype, out, in);
  const QuantizationArgs& args = *layout.args;
  const WeightFormat& format = *layout.format;
  const Shape scales = layout.is_per_tensor() ? Shape{1} : Shape{layout.grid.rows, layout.grid.cols};

  std::vector<StoredTensor> tensors = {
      {std::string(format.codes_suffix), format.codes_dtype(args), {out, format.codes_columns(args, in)}},
      {"weight_scale", layout.scale_dtype, scales}};
  if (format.stores_shape) tensors.push_back({"weight_shape", DType::kI64, {2}});
  if (format.stores_global_scale) tensors.push_back({"weight_global_scale", DType::kF32, {1}});
  if (layout.has_packed_zero_points()) {
    const uint64_t words = ceil_div(out * static_cast<uint64_t>(args.num_bits), 32);
    tensors.push_back({"weight_zero_point", DType::kI32, {words, layout.grid.cols}});
  } else if (!args.symmetric) {
    tensors.push_back({"weight_zero_point", DType::kI8, scales});
  }
  return tensors;
}

std::vector<StoredTensor> activation_tensors(const QuantizationScheme& scheme, DType weight_dtype) {
  std::vector<StoredTensor> tensors;
  const auto add = [&](const std::optional<QuantizationArgs>& args, const std::string& prefix) {
    if (!args) return;
    if (args->dynamic == Dynamic::kLocal) tensors.push_back({prefix + "_global_scale", DType::kF32, {1}});
    if (args->dynamic != Dynamic::kFalse) return;
    tensors.push_back({prefix + "_scale", args->scale_dtype.value_or(weight_dtype), {1}});
    if (!args->symmetric) tensors.push_back({prefix + "_zero_point", DType::kI8, {1}});
  };
  add(scheme.input_activations, "input");
  add(scheme.output_activations, "output");
  return tensors;
}

uint64_t row_alignment(const QuantizationScheme& scheme) {
  const QuantizationArgs& args = *scheme.weights;
  if (args.strategy == Strategy::kBlock) return static_cast<uint64_t>((*args.block_structure)[0]);
  // 32 rows of any bit width end on a word.
  const bool packs_zero_points = !args.symmetric && weight_format(format_of(scheme)).packs_zero_points;
  return packs_zero_points && args.strategy != Strategy::kTensor ? 32 : 1;
}

}  // namespace tersor
