#include "tersor/quantization/qparams.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "tersor/backend/range_to_scale.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

// Type that the arithmetic on ranges of a weight rounds to.
ScaleStorage storage_of(DType dtype) {
  if (dtype == DType::kBF16) return ScaleStorage::kBFloat16;
  if (dtype == DType::kF16) return ScaleStorage::kFloat16;
  return ScaleStorage::kFloat32;
}

template <typename T>
void store(std::vector<std::byte>& bytes, size_t index, T value) {
  std::memcpy(bytes.data() + index * sizeof(T), &value, sizeof(T));
}

void store_scale(std::vector<std::byte>& bytes, size_t index, float scale, ScaleStorage storage) {
  if (storage == ScaleStorage::kBFloat16) {
    store(bytes, index, bfloat16_from(scale).bits);
  } else if (storage == ScaleStorage::kFloat16) {
    store(bytes, index, float16_from(scale).bits);
  } else {
    store(bytes, index, scale);
  }
}

void compute_nvfp4(DType weight_dtype, std::span<const MinMax> ranges, float global_scale, QParams& out) {
  cpu_quantize_kernels().nvfp4_scales(ranges.data(), ranges.size(), nvfp4_storage(weight_dtype), global_scale,
                                      reinterpret_cast<uint8_t*>(out.stored.data()), out.scales.data());
}

void compute_mx(const QuantizationArgs& args, std::span<const MinMax> ranges, QParams& out) {
  cpu_quantize_kernels().ranges_to_scales(ranges.data(), ranges.size(), code_spec(args), true,
                                          ScaleStorage::kE8M0, out.scales.data(), nullptr);
  for (size_t i = 0; i < ranges.size(); ++i) {
    store(out.stored, i, static_cast<uint8_t>(std::bit_cast<uint32_t>(out.scales[i]) >> 23));
  }
}

void compute_plain(const QuantizationArgs& args, DType weight_dtype, std::span<const MinMax> ranges,
                   QParams& out) {
  const CodeSpec spec = code_spec(args);
  const ScaleStorage arithmetic = storage_of(weight_dtype);
  const ScaleStorage stored = storage_of(stored_scale_dtype(args, weight_dtype));
  if (arithmetic == stored) {
    cpu_quantize_kernels().ranges_to_scales(ranges.data(), ranges.size(), spec, args.symmetric, stored,
                                            out.scales.data(),
                                            args.symmetric ? nullptr : out.zero_points.data());
  } else {
    for (size_t i = 0; i < ranges.size(); ++i) {
      const ScaleAndZeroPoint exact = exact_scale(ranges[i], spec, args.symmetric, arithmetic);
      const float scale = round_to_storage(exact.scale, stored);
      out.scales[i] = scale == 0 ? zero_scale_replacement(stored) : scale;
      if (!args.symmetric) out.zero_points[i] = static_cast<int8_t>(exact.zero_point);
    }
  }
  for (size_t i = 0; i < ranges.size(); ++i) store_scale(out.stored, i, out.scales[i], stored);
}

template <typename T>
T load(std::span<const std::byte> bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

CodeSpec code_spec(const QuantizationArgs& args) {
  if (args.type == QuantizationType::kInt) return {CodeKind::kInt, args.num_bits};
  return {args.num_bits == 4 ? CodeKind::kFloat4 : CodeKind::kFloat8, args.num_bits};
}

DType stored_scale_dtype(const QuantizationArgs& args, DType weight_dtype) {
  if (is_mx(args)) return DType::kU8;
  if (args.strategy == Strategy::kTensorGroup) return DType::kF8E4M3;
  return args.scale_dtype.value_or(weight_dtype);
}

ScaleStorage search_storage(const QuantizationArgs& args, DType weight_dtype) {
  if (is_mx(args)) return ScaleStorage::kE8M0;
  if (args.strategy == Strategy::kTensorGroup) return ScaleStorage::kFloat32;
  return storage_of(weight_dtype);
}

ScaleStorage nvfp4_storage(DType weight_dtype) {
  return weight_dtype == DType::kBF16 ? ScaleStorage::kBFloat16 : ScaleStorage::kFloat32;
}

void compute_qparams(const QuantizationArgs& args, DType weight_dtype, std::span<const MinMax> ranges,
                     float global_scale, QParams& out) {
  out.scales.resize(ranges.size());
  out.stored.resize(ranges.size() * dtype_size(stored_scale_dtype(args, weight_dtype)));
  out.zero_points.resize(args.symmetric ? 0 : ranges.size());
  if (args.strategy == Strategy::kTensorGroup) {
    compute_nvfp4(weight_dtype, ranges, global_scale, out);
  } else if (is_mx(args)) {
    compute_mx(args, ranges, out);
  } else {
    compute_plain(args, weight_dtype, ranges, out);
  }
}

std::vector<std::byte> store_scales(const QuantizationArgs& args, DType weight_dtype,
                                    std::span<const float> scales) {
  const DType dtype = stored_scale_dtype(args, weight_dtype);
  std::vector<std::byte> stored(scales.size() * dtype_size(dtype));
  for (size_t i = 0; i < scales.size(); ++i) store_scale(stored, i, scales[i], storage_of(dtype));
  return stored;
}

void read_scales(const QuantizationArgs& args, DType weight_dtype, std::span<const std::byte> stored,
                 float global_scale, std::span<float> scales) {
  const DType dtype = stored_scale_dtype(args, weight_dtype);
  for (size_t i = 0; i < scales.size(); ++i) {
    switch (dtype) {
      case DType::kU8:
        scales[i] = e8m0_to_float(load<uint8_t>(stored, i));
        break;
      case DType::kF8E4M3:
        scales[i] = to_float(load<Float8E4M3>(stored, i)) / global_scale;
        break;
      case DType::kBF16:
        scales[i] = to_float(load<BFloat16>(stored, i));
        break;
      case DType::kF16:
        scales[i] = to_float(load<Float16>(stored, i));
        break;
      default:
        scales[i] = load<float>(stored, i);
    }
  }
}

float nvfp4_global_scale(float amax, DType weight_dtype) {
  const ScaleStorage storage = nvfp4_storage(weight_dtype);
  // The smallest normal of f32, which is bf16's too. A NaN passes through and ends as 1.
  const float floor = 0x1p-126f;
  const float reciprocal = round_to_storage(1.0f / (amax < floor ? floor : amax), storage);
  const float scale = round_to_storage(reciprocal * (kFloat8E4M3Max * kFloat4E2M1Max), storage);
  return std::isfinite(scale) ? scale : 1.0f;
}

}  // namespace tersor
