#include "tersor/quantization/activation_mse.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tersor/backend/mse_power.h"
#include "tersor/quantization/observer.h"
#include "tersor/quantization/qparams.h"

namespace tersor {

bool searches_activations(const QuantizationArgs& args) {
  return args.observer == "mse" || args.observer == "memoryless_mse";
}

MinMax least_error_range(const QuantizationArgs& args, DType scale_dtype, const MinMax& range,
                         const ValueHistogram& histogram) {
  std::vector<float> values;
  std::vector<double> counts;
  histogram.each([&](float value, uint64_t count) {
    values.push_back(std::clamp(value, range.min, range.max));  // bf16 may have rounded the largest up
    counts.push_back(static_cast<double>(count));
  });
  const MseGrid grid = *mse_grid(args);
  const CodeSpec spec = code_spec(args);
  const QuantizeKernels& kernels = cpu_quantize_kernels();
  const size_t n = values.size();
  std::vector<int8_t> codes(n);
  std::vector<float> quantized(n);
  MinMax best = range;
  double best_error = std::numeric_limits<double>::infinity();
  QParams q;
  const MsePower step_power(grid.norm);
  for (int i = 0; i < std::max(1, grid.num_steps()); ++i) {
    const float fraction = grid.fraction(i);
    const MinMax candidate{range.min * fraction, range.max * fraction};
    compute_qparams(args, scale_dtype, std::span(&candidate, 1), 0, q);
    const int8_t* zero_point = args.symmetric ? nullptr : q.zero_points.data();
    const float scale = q.scales[0];
    kernels.quantize_groups({reinterpret_cast<const std::byte*>(values.data()), DType::kF32, 1, n}, n, spec,
                            &scale, zero_point, codes.data());
    kernels.dequantize_groups(codes.data(), 1, n, n, spec, &scale, zero_point, quantized.data());
    double error = 0;
    for (size_t v = 0; v < n; ++v)
      error += counts[v] * double{step_power(std::fabs(quantized[v] - values[v]) / scale)};
    error *= power(scale, grid.norm);
    if (error < best_error) {
      best_error = error;
      best = candidate;
    }
  }
  return best;
}

GroupPeak::GroupPeak(const QuantizationArgs& args)
    : group_size_(static_cast<size_t>(*args.group_size)), grid_(*mse_grid(args)) {}

void GroupPeak::add(std::span<const float> values, size_t columns) {
  const QuantizeKernels& kernels = cpu_quantize_kernels();
  const auto view = [](std::span<const float> row, size_t rows) {
    return WeightView{reinterpret_cast<const std::byte*>(row.data()), DType::kF32, rows, row.size() / rows};
  };
  std::vector<MinMax> ranges(columns / group_size_);
  for (size_t row = 0; row < values.size(); row += columns) {
    const std::span<const float> x = values.subspan(row, columns);
    kernels.minmax_groups(view(x, 1), group_size_, ranges.data());
    for (size_t g = 0; g < ranges.size(); ++g) {
      if (std::max(-ranges[g].min, ranges[g].max) <= peak_) continue;
      MinMax chosen;
      // Scales of f32: those of fp8 follow from the global scale, which is what is looked for.
      kernels.mse_groups(view(x.subspan(g * group_size_, group_size_), 1), group_size_,
                         {CodeKind::kFloat4, 4}, true, ScaleStorage::kFloat32, grid_, nullptr, &chosen);
      peak_ = std::max({peak_, -chosen.min, chosen.max});
    }
  }
}

void GroupPeak::add(const GroupPeak& other) { peak_ = std::max(peak_, other.peak_); }

}  // namespace tersor
