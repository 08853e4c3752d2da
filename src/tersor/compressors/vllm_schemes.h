// Which implementation vLLM picks for a scheme: its dispatch, as a table.
//
// Read from vLLM 0.32.0, layers/quantization/compressed_tensors/compressed_tensors.py
// (_get_scheme_from_parts) and compressed_tensors_moe/compressed_tensors_moe.py (get_moe_method).
#pragma once

#include <optional>
#include <string_view>

#include "tersor/quantization/quantization_scheme.h"

namespace tersor {

enum class VllmImplementation {
  kW4A4Fp4,    // NVFP4, with or without quantized activations
  kW4A8Mxfp4,  // MXFP4 with FP8 activations
  kW4A4Mxfp4,  // MXFP4
  kW8A8Mxfp8,  // MXFP8
  kW4A8Fp8,    // packed int4 with FP8 activations
  kWNA8O8Int,  // static int8 activations in and out
  kWNA8Int,    // packed ints with dynamic int8 activations
  kWNA4Int,    // packed ints with dynamic int4 activations
  kWNA16,      // packed ints, weight-only
  kW8A8Fp8,    // FP8
  kW8A16Fp8,   // FP8, weight-only
  kW8A8Int8,   // int8
  kW4A8Int,    // int4 in bytes, int8 activations
};

struct VllmScheme {
  VllmImplementation implementation;
  std::string_view name;      // vLLM's class without "CompressedTensors"
  int min_capability;         // CUDA compute capability × 10 that loads it
  bool only_that_capability;  // true: no other capability does
};

// What serves a Linear of this scheme, stored in format_of(scheme); nullopt: vLLM stops with "No
// compressed-tensors compatible scheme was found" or the like. REQUIRES: the scheme has weights.
std::optional<VllmScheme> vllm_scheme_for(const QuantizationScheme& scheme);

// The same for the experts of a mixture ("Unsupported FusedMoe scheme" otherwise). Experts are matrices of
// one module there, so the table is another.
std::optional<VllmScheme> vllm_moe_scheme_for(const QuantizationScheme& scheme);

// Whether the tensors of the scheme's format are those that the implementation reads: packed words or plain
// codes, of its kind.
bool reads_format(VllmImplementation implementation, const QuantizationScheme& scheme);

}  // namespace tersor
