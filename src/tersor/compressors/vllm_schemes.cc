#include "tersor/compressors/vllm_schemes.h"

#include <span>
#include <tuple>

namespace tersor {
namespace {

using Args = QuantizationArgs;
using Scheme = QuantizationScheme;
using Impl = VllmImplementation;

// Conditions on one side of a scheme.
bool is_int(const Args& args) { return args.type == QuantizationType::kInt; }
bool is_float(const Args& args) { return args.type == QuantizationType::kFloat; }
bool is_static(const Args& args) { return args.dynamic == Dynamic::kFalse; }

template <typename... S>
bool strategy_in(const Args& args, S... strategies) {
  return ((args.strategy == strategies) || ...);
}

bool channel_or_group(const Args& args) { return strategy_in(args, Strategy::kChannel, Strategy::kGroup); }
bool tensor_or_channel(const Args& args) { return strategy_in(args, Strategy::kTensor, Strategy::kChannel); }
bool token_or_group(const Args& args) { return strategy_in(args, Strategy::kToken, Strategy::kGroup); }

bool nvfp4_args(const Args& args) {
  return strategy_in(args, Strategy::kTensorGroup) && is_float(args) && args.num_bits == 4 &&
         args.group_size == 16 && args.symmetric;
}

bool float_groups_of_32(const Args& args, int bits) {
  return strategy_in(args, Strategy::kGroup) && is_float(args) && args.num_bits == bits &&
         args.group_size == 32 && args.symmetric;
}

bool static_int8_tensor(const std::optional<Args>& args) {
  return args && is_int(*args) && strategy_in(*args, Strategy::kTensor) && args->num_bits == 8 &&
         is_static(*args);
}

// Formats in which vLLM quantizes activations as the config says.
bool is_activation_format(Format format) {
  return format == Format::kNaive || format == Format::kInt || format == Format::kFloat ||
         format == Format::kNvfp4Pack;
}

// Conditions of one row each: w weights, x input activations (may be absent).
bool nvfp4(const Scheme& s) {
  return nvfp4_args(*s.weights) && (!s.input_activations || nvfp4_args(*s.input_activations));
}

bool mxfp4_fp8(const Scheme& s) {
  const auto& x = s.input_activations;
  return float_groups_of_32(*s.weights, 4) && x && is_float(*x) && x->num_bits == 8 &&
         is_static(*s.weights) && !is_static(*x) && token_or_group(*x) && x->symmetric;
}

bool mxfp4(const Scheme& s) { return float_groups_of_32(*s.weights, 4); }

bool mxfp8(const Scheme& s) {
  return float_groups_of_32(*s.weights, 8) && s.weights->scale_dtype == DType::kU8;
}

bool int4_fp8(const Scheme& s) {
  const auto& [w, x] = std::tie(*s.weights, s.input_activations);
  return x && is_int(w) && is_float(*x) && w.num_bits == 4 && x->num_bits == 8 &&
         strategy_in(w, Strategy::kGroup) && strategy_in(*x, Strategy::kToken) && w.symmetric &&
         x->symmetric && is_static(w) && !is_static(*x);
}

bool static_int8_in_and_out(const Scheme& s) {
  const Format format = format_of(s);
  return (format == Format::kPack || format == Format::kInt) && is_int(*s.weights) && is_static(*s.weights) &&
         channel_or_group(*s.weights) && static_int8_tensor(s.input_activations) &&
         static_int8_tensor(s.output_activations);
}

bool packed_int_with_int_input(const Scheme& s, int input_bits) {
  const auto& x = s.input_activations;
  return format_of(s) == Format::kPack && is_int(*s.weights) && is_static(*s.weights) &&
         channel_or_group(*s.weights) && x && is_int(*x) && x->symmetric && !is_static(*x) &&
         token_or_group(*x) && x->num_bits == input_bits;
}
bool packed_int_int8(const Scheme& s) { return packed_int_with_int_input(s, 8); }
bool packed_int_int4(const Scheme& s) { return packed_int_with_int_input(s, 4); }

bool packed_weight_only(const Scheme& s) {
  return !s.input_activations && channel_or_group(*s.weights) && is_static(*s.weights) &&
         format_of(s) == Format::kPack;
}

bool fp8_weights(const Args& w) {
  return is_float(w) && w.symmetric && is_static(w) &&
         strategy_in(w, Strategy::kTensor, Strategy::kChannel, Strategy::kBlock);
}

bool fp8_both(const Scheme& s) {
  const auto& x = s.input_activations;
  return fp8_weights(*s.weights) && x && is_float(*x) &&
         (!is_static(*x) || (x->symmetric && strategy_in(*x, Strategy::kTensor)));
}
bool fp8(const Scheme& s) { return is_activation_format(format_of(s)) && fp8_both(s); }
bool fp8_weight_only(const Scheme& s) {
  return is_activation_format(format_of(s)) && fp8_weights(*s.weights);
}

bool int8_both(const Scheme& s) {
  const auto& x = s.input_activations;
  if (!x || s.weights->num_bits != 8 || x->num_bits != 8 || !s.weights->symmetric || !is_static(*s.weights) ||
      !tensor_or_channel(*s.weights)) {
    return false;
  }
  return strategy_in(*x, Strategy::kTensor) ? is_static(*x) : strategy_in(*x, Strategy::kToken);
}
bool int8(const Scheme& s) { return is_activation_format(format_of(s)) && int8_both(s); }

bool int4_int8(const Scheme& s) {
  const auto& x = s.input_activations;
  return x && is_int(*s.weights) && is_int(*x) && s.weights->num_bits == 4 && x->num_bits == 8 &&
         channel_or_group(*s.weights) && s.weights->symmetric && is_static(*s.weights) &&
         strategy_in(*x, Strategy::kToken);
}
bool int4_int8_bytes(const Scheme& s) { return is_activation_format(format_of(s)) && int4_int8(s); }

// Experts only.
bool moe_packed_weight_only(const Scheme& s) { return packed_weight_only(s) && s.weights->num_bits >= 2; }
// One scale per tensor on both sides, one per row and token, or blocks.
bool moe_fp8(const Scheme& s) {
  if (!fp8_both(s)) return false;
  const Args& x = *s.input_activations;
  switch (s.weights->strategy) {
    case Strategy::kTensor:
      return strategy_in(x, Strategy::kTensor);
    case Strategy::kChannel:
      return strategy_in(x, Strategy::kToken) && !is_static(x);
    default:
      return true;  // blocks
  }
}
bool moe_int8(const Scheme& s) {
  return int8_both(s) && s.weights->strategy == Strategy::kChannel &&
         s.input_activations->strategy == Strategy::kToken;
}

struct Row {
  VllmScheme scheme;
  bool (*takes)(const Scheme&);
};

// First match wins.
constexpr Row kLinear[] = {
    {{Impl::kW4A4Fp4, "W4A4Fp4", 75, false}, nvfp4},
    {{Impl::kW4A8Mxfp4, "W4A8Mxfp4", 80, false}, mxfp4_fp8},
    {{Impl::kW4A4Mxfp4, "W4A4Mxfp4", 80, false}, mxfp4},
    {{Impl::kW8A8Mxfp8, "W8A8Mxfp8", 75, false}, mxfp8},
    {{Impl::kW4A8Fp8, "W4A8Fp8", 90, true}, int4_fp8},
    {{Impl::kWNA8O8Int, "WNA8O8Int", 70, false}, static_int8_in_and_out},
    {{Impl::kWNA8Int, "WNA8Int", 75, false}, packed_int_int8},
    {{Impl::kWNA4Int, "WNA4Int", 75, false}, packed_int_int4},
    {{Impl::kWNA16, "WNA16", 75, false}, packed_weight_only},
    {{Impl::kW8A8Fp8, "W8A8Fp8", 75, false}, fp8},  // weight-only below 89
    {{Impl::kW8A16Fp8, "W8A16Fp8", 75, false}, fp8_weight_only},
    {{Impl::kW8A8Int8, "W8A8Int8", 75, false}, int8},
    {{Impl::kW4A8Int, "W4A8Int", 0, false}, int4_int8_bytes},
};

constexpr Row kExperts[] = {
    {{Impl::kW4A8Mxfp4, "W4A8Mxfp4MoE", 80, false}, mxfp4_fp8},
    {{Impl::kW4A4Mxfp4, "W4A4Mxfp4MoE", 80, false}, mxfp4},
    {{Impl::kW8A8Mxfp8, "W8A8Mxfp8MoE", 75, false}, mxfp8},
    {{Impl::kWNA16, "WNA16MoE", 75, false}, moe_packed_weight_only},
    {{Impl::kW4A4Fp4, "W4A4Nvfp4MoE", 75, false}, nvfp4},
    {{Impl::kW8A8Fp8, "W8A8Fp8MoE", 75, false}, moe_fp8},
    {{Impl::kW8A8Int8, "W8A8Int8MoE", 75, false}, moe_int8},
    {{Impl::kW4A8Fp8, "W4A8Fp8MoE", 90, true}, int4_fp8},
    {{Impl::kW4A8Int, "W4A8Int8MoE", 0, false}, int4_int8},
};

std::optional<VllmScheme> first_of(std::span<const Row> rows, const Scheme& scheme) {
  // NVFP4 weights never reach a later row: with other activations vLLM stops.
  if (nvfp4_args(*scheme.weights) && !nvfp4(scheme)) return std::nullopt;
  for (const Row& row : rows)
    if (row.takes(scheme)) return row.scheme;
  return std::nullopt;
}

}  // namespace

std::optional<VllmScheme> vllm_scheme_for(const QuantizationScheme& scheme) {
  return first_of(kLinear, scheme);
}

std::optional<VllmScheme> vllm_moe_scheme_for(const QuantizationScheme& scheme) {
  return first_of(kExperts, scheme);
}

bool reads_format(VllmImplementation implementation, const QuantizationScheme& scheme) {
  const Format format = format_of(scheme);
  const bool plain = format == Format::kNaive || format == Format::kInt || format == Format::kFloat;
  switch (implementation) {
    case Impl::kW4A4Fp4:
      return format == Format::kNvfp4Pack;
    case Impl::kW4A8Mxfp4:
    case Impl::kW4A4Mxfp4:
      return format == Format::kMxfp4Pack;
    case Impl::kW8A8Mxfp8:
      return format == Format::kMxfp8;
    case Impl::kW4A8Fp8:
    case Impl::kWNA8Int:
    case Impl::kWNA4Int:
      return format == Format::kPack;
    case Impl::kWNA16:
      return format == Format::kPack && is_int(*scheme.weights);
    case Impl::kWNA8O8Int:
      return format == Format::kPack || (format == Format::kInt && scheme.weights->num_bits == 8);
    case Impl::kW8A8Fp8:
    case Impl::kW8A16Fp8:
      return plain && scheme.weights->num_bits == 8;
    case Impl::kW8A8Int8:
      return plain && is_int(*scheme.weights);
    case Impl::kW4A8Int:
      return plain;
  }
  return false;
}

}  // namespace tersor
