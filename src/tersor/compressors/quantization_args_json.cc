// QuantizationArgs as the JSON object of compressed-tensors, and back.
#include <cmath>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/compressors/json_fields.h"
#include "tersor/compressors/quantization_config.h"

namespace tersor {
namespace {

// The zero points' type where the file names none: one that holds every code.
DType default_zp_dtype(const QuantizationArgs& args) {
  if (args.type == QuantizationType::kFloat) return DType::kF8E4M3;
  return args.num_bits <= 8 ? DType::kI8 : args.num_bits <= 16 ? DType::kI16 : DType::kI32;
}

Json dtype_or_null(const std::optional<DType>& dtype) {
  return dtype ? Json(torch_dtype_name(*dtype)) : Json();
}

// 5 rather than 5.0: Python takes an integer where a float is meant, but not the other way round.
Json number(double x) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (std::abs(x) <= kExact && std::trunc(x) == x) return static_cast<int64_t>(x);
  return x;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::optional<DType> read_dtype(const JsonField& field) {
  if (field.is_null()) return std::nullopt;
  const std::optional<DType> dtype = dtype_from_torch_name(field.string());
  if (!dtype) field.expected("a dtype such as \"torch.uint8\"");
  return dtype;
}

// [rows, columns], or "128x128" as files of 2024 write it.
std::optional<std::array<int64_t, 2>> read_block_structure(const JsonField& field) {
  constexpr std::string_view kWanted = "[rows, columns], two positive integers";
  if (field.is_null()) return std::nullopt;
  std::array<int64_t, 2> block{};
  if (field.value().is_string()) {
    const std::string text = field.string();
    const size_t x = text.find('x');
    constexpr size_t kMostDigits = 9;
    if (x == std::string::npos) field.expected(kWanted);
    for (size_t side : {0, 1}) {
      const std::string digits = side == 0 ? text.substr(0, x) : text.substr(x + 1);
      if (digits.empty() || digits.size() > kMostDigits ||
          digits.find_first_not_of("0123456789") != std::string::npos) {
        field.expected(kWanted);
      }
      block[side] = std::stoll(digits);
    }
  } else {
    if (!field.value().is_array() || field.value().size() != 2) field.expected(kWanted);
    for (size_t side : {0, 1}) block[side] = field.element(side).integer();
  }
  if (block[0] <= 0 || block[1] <= 0) field.expected(kWanted);
  return block;
}

Dynamic read_dynamic(const JsonField& field) {
  if (field.is_null()) return Dynamic::kFalse;
  if (field.value().is_boolean()) return field.boolean() ? Dynamic::kTrue : Dynamic::kFalse;
  if (!field.value().is_string() || lower(field.string()) != "local")
    field.expected("true, false or \"local\"");
  return Dynamic::kLocal;
}

// "weight" is the older name of static, "dynamic" and true are those of group.
std::optional<ActOrder> read_actorder(const JsonField& field) {
  if (field.is_null()) return std::nullopt;
  if (field.value().is_boolean()) return field.boolean() ? std::optional(ActOrder::kGroup) : std::nullopt;
  const std::string name = lower(field.string());
  if (name == "static" || name == "weight") return ActOrder::kStatic;
  if (name == "group" || name == "dynamic") return ActOrder::kGroup;
  field.expected("\"static\", \"weight\", \"group\" or null");
}

std::map<std::string, double> read_observer_kwargs(const JsonField& field) {
  std::map<std::string, double> kwargs;
  if (field.is_null()) return kwargs;
  for (const auto& [key, unused] : field.object().value().items()) kwargs[key] = field[key].number();
  return kwargs;
}

// Either may be missing: groups of -1 are whole rows, no group size at all is one scale for the tensor.
void read_strategy(const JsonField& field, QuantizationArgs& args) {
  const JsonField size = field["group_size"];
  if (!size.is_null()) {
    args.group_size = size.integer();
    if (*args.group_size < -1) size.expected("a positive group size, or -1 for one scale per row");
  }
  const JsonField strategy = field["strategy"];
  if (!strategy.is_null()) {
    const std::optional<Strategy> named = strategy_from(lower(strategy.string()));
    if (!named) strategy.expected("tensor, channel, group, block, token, tensor_group or attn_head");
    args.strategy = *named;
  } else if (args.group_size) {
    if (*args.group_size == 0) size.expected("a positive group size, or -1 for one scale per row");
    args.strategy = *args.group_size > 0 ? Strategy::kGroup : Strategy::kChannel;
  } else {
    args.strategy = Strategy::kTensor;
  }
  const bool grouped = args.strategy == Strategy::kGroup || args.strategy == Strategy::kTensorGroup;
  if (!grouped && args.group_size && *args.group_size <= 0) args.group_size.reset();
}

}  // namespace

Json args_to_json(const QuantizationArgs& args) {
  Json json = {
      {"actorder", nullptr},
      {"block_structure", nullptr},
      {"dynamic", args.dynamic == Dynamic::kLocal ? Json("local") : Json(args.dynamic == Dynamic::kTrue)},
      {"group_size", nullptr},
      {"num_bits", args.num_bits},
      {"observer", nullptr},
      {"observer_kwargs", Json::object()},
      {"scale_dtype", dtype_or_null(args.scale_dtype)},
      {"strategy", to_string(args.strategy)},
      {"symmetric", args.symmetric},
      {"type", to_string(args.type)},
      {"zp_dtype", nullptr},
  };
  if (args.actorder) json["actorder"] = *args.actorder == ActOrder::kStatic ? "static" : "group";
  if (args.block_structure) json["block_structure"] = *args.block_structure;
  if (args.group_size) json["group_size"] = *args.group_size;
  if (args.observer) json["observer"] = *args.observer;
  for (const auto& [key, value] : args.observer_kwargs) json["observer_kwargs"][key] = number(value);
  if (!args.symmetric) json["zp_dtype"] = torch_dtype_name(args.zp_dtype.value_or(default_zp_dtype(args)));
  return json;
}

QuantizationArgs args_from_json(const Json& json, const std::string& origin, const std::string& path) {
  const JsonField field(json, origin, path);
  field.object().only_keys({"actorder", "block_structure", "dynamic", "group_size", "num_bits", "observer",
                            "observer_kwargs", "scale_dtype", "strategy", "symmetric", "type", "zp_dtype"});
  QuantizationArgs args;
  if (const JsonField bits = field["num_bits"]; !bits.is_null()) {
    constexpr int64_t kMostBits = 32;
    const int64_t n = bits.integer();
    if (n < 1 || n > kMostBits) bits.expected(fmt::format("1 to {} bits", kMostBits));
    args.num_bits = static_cast<int>(n);
  }
  if (const JsonField type = field["type"]; !type.is_null()) {
    const std::optional<QuantizationType> named = quantization_type_from(lower(type.string()));
    if (!named) type.expected("\"int\" or \"float\"");
    args.type = *named;
  }
  if (const JsonField symmetric = field["symmetric"]; !symmetric.is_null())
    args.symmetric = symmetric.boolean();
  read_strategy(field, args);
  args.block_structure = read_block_structure(field["block_structure"]);
  args.dynamic = read_dynamic(field["dynamic"]);
  args.actorder = read_actorder(field["actorder"]);
  args.scale_dtype = read_dtype(field["scale_dtype"]);
  args.zp_dtype = read_dtype(field["zp_dtype"]);
  if (args.symmetric) args.zp_dtype.reset();
  if (!args.symmetric && !args.zp_dtype) args.zp_dtype = default_zp_dtype(args);
  if (const JsonField observer = field["observer"]; !observer.is_null()) args.observer = observer.string();
  args.observer_kwargs = read_observer_kwargs(field["observer_kwargs"]);
  try {
    validate(args, path);
  } catch (const Error& e) {
    throw input_error(fmt::format("{}: {}", origin, e.what()), e.help());
  }
  return args;
}

}  // namespace tersor
