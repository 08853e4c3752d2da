// Element types of tensors, named as safetensors names them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tersor {

enum class DType : uint8_t {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kU64,
  kI64,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kF16,
  kBF16,
  kF32,
  kF64
};

// Bytes of one element.
uint64_t dtype_size(DType dtype);

// "BF16", "F8_E4M3", …: the safetensors spelling.
std::string_view dtype_name(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

// "torch.bfloat16", …: the spelling of config.json (scale_dtype, zp_dtype). Reading also takes it without
// "torch.".
std::string_view torch_dtype_name(DType dtype);
std::optional<DType> dtype_from_torch_name(std::string_view name);

// The types a weight can be quantized from: bf16, f16, f32.
bool is_weight_dtype(DType dtype);

}  // namespace tersor
