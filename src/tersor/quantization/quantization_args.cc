#include "tersor/quantization/quantization_args.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/float_types.h"

namespace tersor {
namespace {

constexpr std::array<std::string_view, 2> kTypeNames = {"int", "float"};
constexpr std::array<std::string_view, 7> kStrategyNames = {"tensor", "channel",      "group",    "block",
                                                            "token",  "tensor_group", "attn_head"};

// The enumerator whose name this is, in any case; the names are in the enumerators' order.
template <typename Enum, size_t N>
std::optional<Enum> enum_from(const std::array<std::string_view, N>& names, std::string_view name) {
  auto equal = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  for (size_t i = 0; i < N; ++i) {
    if (std::equal(name.begin(), name.end(), names[i].begin(), names[i].end(), equal)) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

bool has_groups(Strategy strategy) {
  return strategy == Strategy::kGroup || strategy == Strategy::kTensorGroup;
}

void validate_codes(const QuantizationArgs& args, const std::string& where) {
  if (args.type == QuantizationType::kInt) {
    if (args.num_bits < 1 || args.num_bits > 8) {
      throw usage_error(
          fmt::format("{}: num_bits is {}, but integer codes have 1 to 8 bits", where, args.num_bits),
          "use num_bits: 8 or 4");
    }
  } else {
    if (args.num_bits != 4 && args.num_bits != 8) {
      throw usage_error(fmt::format("{}: num_bits is {}, but float codes have 4 (e2m1) or 8 (e4m3) bits",
                                    where, args.num_bits),
                        "use num_bits: 8 or 4, or type: int");
    }
    if (!args.symmetric) {
      throw usage_error(
          fmt::format("{}: float codes have no zero point, so symmetric cannot be false", where),
          "set symmetric: true, or type: int");
    }
  }
  if (!args.symmetric && args.zp_dtype.value_or(DType::kI8) != DType::kI8) {
    throw usage_error(fmt::format("{}: zp_dtype is {}, but zero points are stored as torch.int8", where,
                                  torch_dtype_name(*args.zp_dtype)),
                      "leave zp_dtype out");
  }
}

void validate_grouping(const QuantizationArgs& args, const std::string& where) {
  const std::string_view strategy = to_string(args.strategy);
  if (has_groups(args.strategy)) {
    if (!args.group_size) {
      throw usage_error(fmt::format("{}: strategy `{}` needs a group_size", where, strategy),
                        "add group_size: 128, or use strategy: channel");
    }
    if (*args.group_size <= 0) {
      throw usage_error(fmt::format("{}: group_size is {}, but strategy `{}` needs a positive one", where,
                                    *args.group_size, strategy),
                        "one scale per row is strategy: channel, without group_size");
    }
  } else if (args.group_size) {
    throw usage_error(fmt::format("{}: group_size is {}, but strategy `{}` has no groups", where,
                                  *args.group_size, strategy),
                      "use strategy: group, or leave group_size out");
  }
  if (args.strategy == Strategy::kBlock) {
    if (!args.block_structure) {
      throw usage_error(fmt::format("{}: strategy `block` needs a block_structure", where),
                        "add block_structure: [128, 128]");
    }
    const auto [rows, cols] = *args.block_structure;
    if (rows <= 0 || cols <= 0) {
      throw usage_error(
          fmt::format("{}: block_structure is [{}, {}], but both sizes must be positive", where, rows, cols),
          "use block_structure: [128, 128]");
    }
  } else if (args.block_structure) {
    throw usage_error(fmt::format("{}: block_structure is [{}, {}], but strategy `{}` has no blocks", where,
                                  (*args.block_structure)[0], (*args.block_structure)[1], strategy),
                      "use strategy: block, or leave block_structure out");
  }
}

void validate_dynamic(const QuantizationArgs& args, const std::string& where) {
  if (args.strategy == Strategy::kToken && args.dynamic != Dynamic::kTrue) {
    throw usage_error(
        fmt::format("{}: strategy `token` has one scale per token, which exists at run time only", where),
        "set dynamic: true, or use strategy: tensor");
  }
  if (args.dynamic == Dynamic::kLocal && args.strategy != Strategy::kTensorGroup) {
    throw usage_error(
        fmt::format("{}: dynamic is `local`, but strategy `{}` has no global scale beside local ones", where,
                    to_string(args.strategy)),
        "set dynamic: true, or use strategy: tensor_group");
  }
  const bool can_be_dynamic =
      has_groups(args.strategy) || args.strategy == Strategy::kToken || args.strategy == Strategy::kTensor;
  if (args.dynamic == Dynamic::kTrue && !can_be_dynamic) {
    throw usage_error(fmt::format("{}: strategy `{}` cannot be dynamic", where, to_string(args.strategy)),
                      "use strategy: token, tensor or group, or set dynamic: false");
  }
  if (args.actorder == ActOrder::kGroup && !has_groups(args.strategy)) {
    throw usage_error(fmt::format("{}: actorder `group` reorders groups, but strategy `{}` has none", where,
                                  to_string(args.strategy)),
                      "use actorder: static");
  }
}

// Types that only one family of schemes gives its scales.
void validate_scale_dtype(const QuantizationArgs& args, const std::string& where) {
  if (args.strategy == Strategy::kTensorGroup) {
    const bool fp4 = args.type == QuantizationType::kFloat && args.num_bits == 4;
    if (!fp4 || args.group_size != 16 || args.scale_dtype.value_or(DType::kF8E4M3) != DType::kF8E4M3) {
      throw usage_error(
          fmt::format("{}: strategy `tensor_group` is that of NVFP4: type float, num_bits 4, group_size 16, "
                      "scale_dtype torch.float8_e4m3fn",
                      where),
          "use the scheme NVFP4 or NVFP4A16, or strategy: group");
    }
    return;
  }
  if (!args.scale_dtype) return;
  switch (*args.scale_dtype) {
    case DType::kU8:
      if (is_mx(args)) return;
      throw usage_error(fmt::format("{}: scale_dtype torch.uint8 is that of MXFP4 and MXFP8: type float, "
                                    "strategy group, group_size 32",
                                    where),
                        "use the scheme MXFP4 or MXFP8, or leave scale_dtype out");
    case DType::kF8E4M3:
      throw usage_error(
          fmt::format("{}: scale_dtype torch.float8_e4m3fn is that of NVFP4 (strategy tensor_group)", where),
          "use the scheme NVFP4, or leave scale_dtype out");
    default:
      if (is_weight_dtype(*args.scale_dtype)) return;
      throw usage_error(
          fmt::format("{}: scale_dtype {} holds no scales", where, torch_dtype_name(*args.scale_dtype)),
          "leave scale_dtype out: scales then have the weight's type");
  }
}

}  // namespace

CodeRange code_range(const QuantizationArgs& args) {
  if (args.type == QuantizationType::kFloat) {
    const float max = args.num_bits == 4 ? kFloat4E2M1Max : kFloat8E4M3Max;
    return {-max, max};
  }
  const auto half = static_cast<float>(1 << (args.num_bits - 1));
  return {-half, half - 1};
}

bool is_mx(const QuantizationArgs& args) {
  if (args.type != QuantizationType::kFloat || args.strategy != Strategy::kGroup || args.group_size != 32) {
    return false;
  }
  return args.scale_dtype == DType::kU8 || (args.num_bits == 4 && !args.scale_dtype);
}

std::string_view to_string(QuantizationType type) { return kTypeNames[static_cast<size_t>(type)]; }
std::string_view to_string(Strategy strategy) { return kStrategyNames[static_cast<size_t>(strategy)]; }

std::optional<QuantizationType> quantization_type_from(std::string_view name) {
  return enum_from<QuantizationType>(kTypeNames, name);
}
std::optional<Strategy> strategy_from(std::string_view name) {
  return enum_from<Strategy>(kStrategyNames, name);
}

void validate(const QuantizationArgs& args, const std::string& where) {
  validate_codes(args, where);
  validate_grouping(args, where);
  validate_dynamic(args, where);
  validate_scale_dtype(args, where);
}

}  // namespace tersor
