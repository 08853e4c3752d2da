#include "tersor/tensor/dtype.h"

#include <array>

namespace tersor {
namespace {

struct Row {
  DType dtype;
  uint64_t size;
  std::string_view name;
  std::string_view torch_name;
};

// Indexed by the value of DType.
constexpr std::array<Row, 16> kRows = {{
    {DType::kBool, 1, "BOOL", "torch.bool"},
    {DType::kU8, 1, "U8", "torch.uint8"},
    {DType::kI8, 1, "I8", "torch.int8"},
    {DType::kU16, 2, "U16", "torch.uint16"},
    {DType::kI16, 2, "I16", "torch.int16"},
    {DType::kU32, 4, "U32", "torch.uint32"},
    {DType::kI32, 4, "I32", "torch.int32"},
    {DType::kU64, 8, "U64", "torch.uint64"},
    {DType::kI64, 8, "I64", "torch.int64"},
    {DType::kF8E4M3, 1, "F8_E4M3", "torch.float8_e4m3fn"},
    {DType::kF8E5M2, 1, "F8_E5M2", "torch.float8_e5m2"},
    {DType::kF8E8M0, 1, "F8_E8M0", "torch.float8_e8m0fnu"},
    {DType::kF16, 2, "F16", "torch.float16"},
    {DType::kBF16, 2, "BF16", "torch.bfloat16"},
    {DType::kF32, 4, "F32", "torch.float32"},
    {DType::kF64, 8, "F64", "torch.float64"},
}};

const Row& row(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

}  // namespace

uint64_t dtype_size(DType dtype) { return row(dtype).size; }
std::string_view dtype_name(DType dtype) { return row(dtype).name; }
std::string_view torch_dtype_name(DType dtype) { return row(dtype).torch_name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& r : kRows) {
    if (r.name == name) return r.dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_torch_name(std::string_view name) {
  constexpr std::string_view kPrefix = "torch.";
  for (const Row& r : kRows) {
    if (r.torch_name == name || r.torch_name.substr(kPrefix.size()) == name) return r.dtype;
  }
  return std::nullopt;
}

bool is_weight_dtype(DType dtype) {
  return dtype == DType::kBF16 || dtype == DType::kF16 || dtype == DType::kF32;
}

}  // namespace tersor
