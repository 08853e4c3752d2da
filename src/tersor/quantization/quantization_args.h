// How one kind of tensor (weights, input activations, …) is quantized: the value that presets, recipes and
// config.json all speak of.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tersor/tensor/dtype.h"

namespace tersor {

enum class QuantizationType { kInt, kFloat };
// Which elements share one scale.
enum class Strategy { kTensor, kChannel, kGroup, kBlock, kToken, kTensorGroup, kAttnHead };
// Whether scales are computed at run time; kLocal: group scales at run time, the global scale stored (NVFP4).
enum class Dynamic { kFalse, kTrue, kLocal };
enum class ActOrder { kStatic, kGroup };

// The sides of a block; no matrix of a model has as many rows or columns.
inline constexpr int64_t kMaxBlockSide = 1 << 24;

struct QuantizationArgs {
  int num_bits = 8;
  QuantizationType type = QuantizationType::kInt;
  bool symmetric = true;
  Strategy strategy = Strategy::kTensor;
  std::optional<int64_t> group_size;                      // > 0 with kGroup and kTensorGroup only
  std::optional<std::array<int64_t, 2>> block_structure;  // [rows, columns] with kBlock only
  Dynamic dynamic = Dynamic::kFalse;
  std::optional<ActOrder> actorder;
  std::optional<DType> scale_dtype;     // null: the weight's own
  std::optional<DType> zp_dtype;        // null whenever symmetric
  std::optional<std::string> observer;  // null: none (dynamic)
  std::map<std::string, double> observer_kwargs;

  bool operator==(const QuantizationArgs&) const = default;
};

// Smallest and largest code value: int b: -2^(b-1) and 2^(b-1)-1; fp8: ±448; fp4: ±6.
struct CodeRange {
  float min;
  float max;
};
CodeRange code_range(const QuantizationArgs& args);

// True for MXFP4 and MXFP8: float, group size 32, scales stored as E8M0 bytes. A float4 of group size 32 that
// names no scale_dtype is MXFP4 too: nothing else is stored that way.
bool is_mx(const QuantizationArgs& args);

std::string_view to_string(QuantizationType type);  // "int", "float"
std::string_view to_string(Strategy strategy);      // "tensor_group", …
std::optional<QuantizationType> quantization_type_from(std::string_view name);
std::optional<Strategy> strategy_from(std::string_view name);

// Throws Error(kUsage) when the fields contradict each other (docs/formats.md, "QuantizationArgs"); `where`
// names the place, e.g. "group_0.weights".
void validate(const QuantizationArgs& args, const std::string& where);

}  // namespace tersor
