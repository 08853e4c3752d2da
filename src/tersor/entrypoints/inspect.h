// tersor::inspect: what a checkpoint folder holds, from headers alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tersor {

struct TensorClass {
  std::string name;  // "model.layers.*.self_attn.q_proj"
  uint64_t modules = 0;
  std::string scheme;  // in words; empty: not quantized
  std::string format;
  std::vector<uint64_t> shape;  // of the weight before compression, where one shape is shared; else empty
  uint64_t bytes = 0;
  uint64_t dense_bytes = 0;  // what the weights would take in the checkpoint's own 16- or 32-bit dtype
};

struct InspectReport {
  std::string folder;
  std::string model_type;
  std::string quantization;  // quant_method and format; empty: not quantized
  std::vector<TensorClass> classes;
  uint64_t tensors = 0;
  uint64_t shards = 0;
  uint64_t bytes = 0;
  uint64_t dense_bytes = 0;
};

// Throws tersor::Error(kInput) for a broken checkpoint.
InspectReport inspect(const std::string& model);

std::string to_json(const InspectReport& report);

}  // namespace tersor
