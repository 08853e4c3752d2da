// Reads a checkpoint's weights onto a device: plain ones as they are, compressed ones dequantized.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tersor/backend/backend.h"
#include "tersor/compressors/quantization_config.h"
#include "tersor/io/checkpoint.h"
#include "tersor/modeling/layer.h"
#include "tersor/quantization/module_matching.h"

namespace tersor {

// Holds references: the checkpoint and the back end must outlive it. Every function throws Error(kInput) for
// a tensor that is missing or has another shape than config.json implies, naming both.
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, Backend& backend);

  bool has(const std::string& tensor) const { return checkpoint_->tensors.contains(tensor); }
  // A floating-point tensor in its own dtype, [size / last dimension, last dimension].
  DeviceTensor load_tensor(const std::string& name, const Shape& expected) const;
  // Rows [begin, begin + count) of it.
  DeviceTensor load_rows(const std::string& name, const Shape& expected, size_t begin, size_t count) const;
  // Single rows of it, in the order asked for.
  DeviceTensor gather_rows(const std::string& name, const Shape& expected,
                           std::span<const int32_t> rows) const;
  // Throws as load_linear would for a weight that is missing or has another shape.
  void check_linear(const std::string& name, size_t out, size_t in) const;
  // The same as f32 [1, size].
  DeviceTensor load_vector(const std::string& name, size_t size) const;
  Norm load_norm(const std::string& name, size_t width) const;
  Linear load_linear(const std::string& name, size_t out, size_t in) const;
  // The linear that makes outputs [begin, begin + count) alone; `begin` is a multiple of 128.
  Linear load_linear_rows(const std::string& name, size_t out, size_t in, size_t begin, size_t count) const;
  // Slice e of a tensor [experts, out, in] becomes the linear `<name>.<e>`.
  std::vector<Linear> load_stacked(const std::string& name, size_t experts, size_t out, size_t in) const;

 private:
  struct Group {
    QuantizationScheme scheme;
    NameMatcher matcher;
  };

  const QuantizationScheme* scheme_of(const std::string& module) const;
  std::vector<std::byte> read(const std::string& tensor) const;
  float load_scalar(const std::string& name) const;
  const TensorInfo& weight_info(const std::string& name, const Shape& expected) const;
  DType compressed_dtype() const;
  DeviceTensor decompress(const QuantizationScheme& scheme, const std::string& module, size_t out, size_t in,
                          size_t begin, size_t count) const;
  void quantize_input(const QuantizationScheme& scheme, Linear& linear) const;

  const Checkpoint* checkpoint_;
  Backend* backend_;
  std::vector<Group> groups_;
  std::unique_ptr<NameMatcher> ignore_;
};

// Layer `index` of a model, every linear packed.
Layer load_layer(const WeightLoader& loader, const ModelConfig& model, size_t index);

}  // namespace tersor
