// The quantization kernels as plain loops: what every other implementation must equal bit for bit.
#include "tersor/backend/quantize_kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tersor/backend/lane_sum.h"
#include "tersor/backend/mse_power.h"
#include "tersor/backend/range_to_scale.h"
#include "tersor/backend/reference/code_value.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename T>
MinMax range_of(std::span<const T> group) {
  MinMax range;
  for (T element : group) {
    const float x = to_float(element);
    if (!std::isfinite(x)) return {0, kInfinity};
    if (x < range.min) range.min = x;
    if (x > range.max) range.max = x;
  }
  return range;
}

void minmax_groups(const WeightView& w, size_t group_size, MinMax* out) {
  visit_weight(w, [&](auto matrix) {
    for (size_t r = 0; r < w.rows; ++r) {
      for (size_t c = 0; c < w.cols; c += group_size) *out++ = range_of(matrix.row(r).subspan(c, group_size));
    }
  });
}

void ranges_to_scales(const MinMax* ranges, size_t count, const CodeSpec& spec, bool symmetric,
                      ScaleStorage storage, float* scales, int8_t* zero_points) {
  for (size_t i = 0; i < count; ++i) {
    const ScaleAndZeroPoint q = range_to_scale(ranges[i], spec, symmetric, storage);
    scales[i] = q.scale;
    if (zero_points != nullptr) zero_points[i] = static_cast<int8_t>(q.zero_point);
  }
}

void nvfp4_scales(const MinMax* ranges, size_t count, ScaleStorage storage, float global_scale,
                  uint8_t* stored, float* scales) {
  for (size_t i = 0; i < count; ++i) {
    const Float8E4M3 scale = nvfp4_scale(ranges[i], storage, global_scale);
    stored[i] = scale.bits;
    scales[i] = to_float(scale) / global_scale;
  }
}

void quantize_groups(const WeightView& w, size_t group_size, const CodeSpec& spec, const float* scales,
                     const int8_t* zero_points, int8_t* codes) {
  const size_t groups = w.cols / group_size;
  visit_weight(w, [&](auto matrix) {
    for (size_t r = 0; r < w.rows; ++r) {
      for (size_t c = 0; c < w.cols; ++c) {
        const size_t g = r * groups + c / group_size;
        const float x = to_float(matrix.row(r)[c]);
        const float zero_point = zero_points != nullptr ? zero_points[g] : 0;
        codes[r * w.cols + c] = encode(x, x / scales[g] + zero_point, spec);
      }
    }
  });
}

void quantize_and_measure(const WeightView& w, size_t group_size, const CodeSpec& spec, const float* scales,
                          const int8_t* zero_points, int8_t* codes, double* error, double* norm) {
  quantize_groups(w, group_size, spec, scales, zero_points, codes);
  visit_weight(w, [&](auto matrix) {
    for (size_t i = 0; i < w.rows * w.cols; ++i) {
      const size_t g = i / group_size;
      const float value = decode(codes[i], spec, zero_points != nullptr ? zero_points[g] : 0) * scales[g];
      const double x = to_float(matrix.data[i]), d = x - double{value};
      *error += d * d;
      *norm += x * x;
    }
  });
}

void dequantize_groups(const int8_t* codes, size_t rows, size_t cols, size_t group_size, const CodeSpec& spec,
                       const float* scales, const int8_t* zero_points, float* values) {
  const size_t groups = cols / group_size;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      const size_t g = r * groups + c / group_size, i = r * cols + c;
      values[i] = decode(codes[i], spec, zero_points != nullptr ? zero_points[g] : 0) * scales[g];
    }
  }
}

// |round(y) - y| of x in quantization steps, y = x / scale + zero_point.
float distance_in_steps(float x, const ScaleAndZeroPoint& q, const CodeSpec& spec) {
  const float y = x / q.scale + static_cast<float>(q.zero_point);
  if (spec.kind == CodeKind::kInt) {
    return std::fabs(std::nearbyint(std::clamp(y, code_min(spec), code_max(spec))) - y);
  }
  const float magnitude = std::fabs(y);
  return std::fabs(decode(encode(magnitude, magnitude, spec), spec, 0) - magnitude);
}

// Σ importance · distance^norm of a group in quantization steps.
template <typename T>
double error_in_steps(std::span<const T> group, const ScaleAndZeroPoint& q, const CodeSpec& spec,
                      const MsePower& mse_power, const float* importance) {
  double error = 0;
  for (size_t begin = 0; begin < group.size(); begin += kSumChunk) {
    std::array<float, kSumLanes> lanes{};
    const size_t end = std::min(begin + kSumChunk, group.size());
    for (size_t c = begin; c < end; ++c) {
      float e = mse_power(distance_in_steps(to_float(group[c]), q, spec));
      if (importance != nullptr) e *= importance[c];
      lanes[c % kSumLanes] += e;
    }
    error += sum_lanes(lanes.data());
  }
  return error;
}

MinMax shrunken(const MinMax& range, float fraction, ScaleStorage storage) {
  return {round_to_storage(range.min * fraction, storage), round_to_storage(range.max * fraction, storage)};
}

// The best of the shrunken ranges of one group. Errors are compared in units of the first candidate's scale.
template <typename T>
MinMax best_range(std::span<const T> group, const CodeSpec& spec, bool symmetric, ScaleStorage storage,
                  const MseGrid& grid, const MsePower& mse_power, const float* importance) {
  const MinMax range = range_of(group);
  if (range.max == kInfinity || (range.min == 0 && range.max == 0)) return range;
  MinMax best = range;
  double best_error = std::numeric_limits<double>::infinity();
  const float unit = candidate_scale(range, spec, symmetric, storage, grid).scale;
  int stale = 0;
  for (int i = 0; i < grid.num_steps(); ++i) {
    const MinMax candidate = shrunken(range, grid.fraction(i), storage);
    const ScaleAndZeroPoint q = candidate_scale(candidate, spec, symmetric, storage, grid);
    const double error =
        error_in_steps(group, q, spec, mse_power, importance) * double{mse_power(q.scale / unit)};
    if (error < best_error) {
      best_error = error;
      best = candidate;
      stale = 0;
    } else if (++stale == grid.patience) {
      break;
    }
  }
  return best;
}

void mse_groups(const WeightView& w, size_t group_size, const CodeSpec& spec, bool symmetric,
                ScaleStorage storage, const MseGrid& grid, const float* importance, MinMax* out) {
  const MsePower mse_power(grid.norm);
  visit_weight(w, [&](auto matrix) {
    for (size_t r = 0; r < w.rows; ++r) {
      for (size_t c = 0; c < w.cols; c += group_size) {
        *out++ = best_range(matrix.row(r).subspan(c, group_size), spec, symmetric, storage, grid, mse_power,
                            importance != nullptr ? importance + c : nullptr);
      }
    }
  });
}

void mse_grid_errors(const WeightView& w, const MinMax& range, const CodeSpec& spec, bool symmetric,
                     ScaleStorage storage, const MseGrid& grid, double* errors) {
  const MsePower mse_power(grid.norm);
  visit_weight(w, [&](auto matrix) {
    for (int i = 0; i < grid.num_steps(); ++i) {
      const MinMax candidate = shrunken(range, grid.fraction(i), storage);
      const ScaleAndZeroPoint q = candidate_scale(candidate, spec, symmetric, storage, grid);
      const double step = power(q.scale, grid.norm);
      for (size_t r = 0; r < w.rows; ++r) {
        errors[i] += step * error_in_steps(matrix.row(r), q, spec, mse_power, nullptr);
      }
    }
  });
}

void pack_row(const int8_t* codes, size_t count, int bits, uint32_t* words) {
  std::fill_n(words, (count * static_cast<size_t>(bits) + 31) / 32, 0u);
  const uint32_t mask = (1u << bits) - 1;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t u = static_cast<uint32_t>(codes[i] + (1 << (bits - 1))) & mask;
    const size_t position = i * static_cast<size_t>(bits), shift = position % 32;
    words[position / 32] |= u << shift;
    if (shift + static_cast<size_t>(bits) > 32) words[position / 32 + 1] |= u >> (32 - shift);
  }
}

void unpack_row(const uint32_t* words, size_t count, int bits, int8_t* codes) {
  const uint32_t mask = (1u << bits) - 1;
  for (size_t i = 0; i < count; ++i) {
    const size_t position = i * static_cast<size_t>(bits), shift = position % 32;
    uint32_t u = words[position / 32] >> shift;
    if (shift + static_cast<size_t>(bits) > 32) u |= words[position / 32 + 1] << (32 - shift);
    codes[i] = static_cast<int8_t>(static_cast<int>(u & mask) - (1 << (bits - 1)));
  }
}

void pack_nibbles(const int8_t* codes, size_t count, uint8_t* bytes) {
  for (size_t i = 0; i + 1 < count; i += 2) {
    bytes[i / 2] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 1] & 15) << 4);
  }
}

void unpack_nibbles(const uint8_t* bytes, size_t count, int8_t* codes) {
  for (size_t i = 0; i < count; ++i) codes[i] = static_cast<int8_t>(bytes[i / 2] >> (i % 2 * 4) & 15);
}

struct SquaredSums {
  double error, norm;
};

// Of one chunk, with lanes of type Sum.
template <typename Sum, typename T>
SquaredSums squared_sums(std::span<const T> chunk, const float* values) {
  std::array<Sum, kSumLanes> error_lanes{}, norm_lanes{};
  for (size_t c = 0; c < chunk.size(); ++c) {
    const Sum x = to_float(chunk[c]), d = x - Sum{values[c]};
    error_lanes[c % kSumLanes] += d * d;
    norm_lanes[c % kSumLanes] += x * x;
  }
  return {sum_lanes(error_lanes.data()), sum_lanes(norm_lanes.data())};
}

template <typename T>
void add_squared_sums(std::span<const T> chunk, const float* values, double* error, double* norm) {
  SquaredSums sums = squared_sums<float>(chunk, values);
  if (!squares_fit_f32(sums.error, sums.norm)) sums = squared_sums<double>(chunk, values);
  *error += sums.error;
  *norm += sums.norm;
}

void squared_error(const WeightView& w, const float* values, double* error, double* norm) {
  visit_weight(w, [&](auto matrix) {
    for (size_t r = 0; r < w.rows; ++r) {
      for (size_t c = 0; c < w.cols; c += kSumChunk) {
        const auto chunk = matrix.row(r).subspan(c, std::min(kSumChunk, w.cols - c));
        add_squared_sums(chunk, values + r * w.cols + c, error, norm);
      }
    }
  });
}

}  // namespace

const QuantizeKernels& reference_quantize_kernels() {
  static constexpr QuantizeKernels kKernels = {
      .name = "reference",
      .minmax_groups = minmax_groups,
      .mse_groups = mse_groups,
      .mse_grid_errors = mse_grid_errors,
      .ranges_to_scales = ranges_to_scales,
      .nvfp4_scales = nvfp4_scales,
      .quantize_groups = quantize_groups,
      .quantize_and_measure = quantize_and_measure,
      .dequantize_groups = dequantize_groups,
      .pack_row = pack_row,
      .unpack_row = unpack_row,
      .pack_nibbles = pack_nibbles,
      .unpack_nibbles = unpack_nibbles,
      .squared_error = squared_error,
  };
  return kKernels;
}

}  // namespace tersor
