#include "tersor/modeling/weight_loader.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/compressors/compressor.h"
#include "tersor/tensor/matrix_view.h"

namespace tersor {
namespace {

// What is read or dequantized at a time on its way to the device.
constexpr size_t kChunkBytes = size_t{8} << 20;

Error missing(const Checkpoint& checkpoint, const std::string& tensor) {
  return input_error(
      fmt::format("{} has no tensor `{}`, which config.json implies", checkpoint.folder.string(), tensor),
      "the checkpoint is incomplete, or its config.json belongs to another model");
}

Error wrong_shape(const Checkpoint& checkpoint, const TensorInfo& info, const Shape& expected) {
  return input_error(
      fmt::format("{}: tensor `{}` has shape {}, config.json implies {}", checkpoint.folder.string(),
                  info.name, to_string(info.shape), to_string(expected)),
      "the checkpoint's config.json belongs to another model");
}

ActivationQuantArgs activation_args(const QuantizationArgs& args) {
  ActivationQuantArgs quant;
  using Kind = ActivationQuantArgs::Kind;
  quant.kind = args.type == QuantizationType::kInt ? Kind::kInt
               : args.num_bits == 4                ? Kind::kFloat4
                                                   : Kind::kFloat8;
  quant.num_bits = args.num_bits;
  quant.symmetric = args.symmetric;
  if (args.group_size) quant.group_size = static_cast<size_t>(*args.group_size);
  quant.power_of_two = is_mx(args);
  return quant;
}

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, Backend& backend)
    : checkpoint_(&checkpoint), backend_(&backend) {
  const auto it = checkpoint.config.find("quantization_config");
  if (it == checkpoint.config.end() || it->is_null()) return;
  const std::string origin = (checkpoint.folder / "config.json").string();
  if (!it->is_object() || it->value("quant_method", "") != "compressed-tensors") {
    throw input_error(origin +
                          ": the weights are quantized in a format other than compressed-tensors, which "
                          "cannot be run",
                      "give the unquantized model");
  }
  QuantizationConfig config = quantization_config_from_json(*it, origin);
  ignore_ = std::make_unique<NameMatcher>(config.ignore);
  for (QuantizationScheme& scheme : config.groups) {
    NameMatcher matcher(scheme.targets);
    groups_.push_back({std::move(scheme), std::move(matcher)});
  }
}

const QuantizationScheme* WeightLoader::scheme_of(const std::string& module) const {
  const ModuleName name{module, ModuleClass::kLinear};
  if (groups_.empty() || ignore_->match(name)) return nullptr;
  const QuantizationScheme* best = nullptr;
  int specificity = 3;
  for (const Group& group : groups_) {
    const auto hit = group.matcher.match(name);
    if (hit && hit->specificity < specificity) {
      specificity = hit->specificity;
      best = &group.scheme;
    }
  }
  return best;
}

std::vector<std::byte> WeightLoader::read(const std::string& tensor) const {
  const auto it = checkpoint_->tensors.find(tensor);
  if (it == checkpoint_->tensors.end()) throw missing(*checkpoint_, tensor);
  const TensorInfo& info = checkpoint_->info(it->second);
  std::vector<std::byte> bytes(info.bytes());
  checkpoint_->shards[it->second.shard].source->read_at(info.begin, bytes);
  return bytes;
}

const TensorInfo& WeightLoader::weight_info(const std::string& name, const Shape& expected) const {
  const auto it = checkpoint_->tensors.find(name);
  if (it == checkpoint_->tensors.end()) throw missing(*checkpoint_, name);
  const TensorInfo& info = checkpoint_->info(it->second);
  if (info.shape != expected) throw wrong_shape(*checkpoint_, info, expected);
  if (!is_weight_dtype(info.dtype)) {
    throw input_error(fmt::format("{}: tensor `{}` has dtype {}, expected BF16, F16 or F32",
                                  checkpoint_->folder.string(), name, dtype_name(info.dtype)),
                      "weights quantized in a format other than compressed-tensors cannot be run");
  }
  return info;
}

DeviceTensor WeightLoader::load_tensor(const std::string& name, const Shape& expected) const {
  const TensorInfo& info = weight_info(name, expected);
  const size_t cols = expected.back();
  return load_rows(name, expected, 0, cols == 0 ? 0 : info.bytes() / dtype_size(info.dtype) / cols);
}

DeviceTensor WeightLoader::load_rows(const std::string& name, const Shape& expected, size_t begin,
                                     size_t count) const {
  const TensorInfo& info = weight_info(name, expected);
  const size_t cols = expected.back(), row_bytes = cols * dtype_size(info.dtype);
  const DeviceTensor tensor = backend_->allocate(info.dtype, count, cols);
  const ByteSource& source = *checkpoint_->shards[checkpoint_->tensors.at(name).shard].source;
  const size_t step = std::max<size_t>(1, kChunkBytes / std::max<size_t>(1, row_bytes));
  std::vector<std::byte> bytes;
  for (size_t row = 0; row < count; row += step) {
    const size_t rows = std::min(step, count - row);
    bytes.resize(rows * row_bytes);
    source.read_at(info.begin + (begin + row) * row_bytes, bytes);
    backend_->copy_in(tensor.sub_rows(row, rows), bytes.data());
  }
  return tensor;
}

DeviceTensor WeightLoader::gather_rows(const std::string& name, const Shape& expected,
                                       std::span<const int32_t> rows) const {
  const TensorInfo& info = weight_info(name, expected);
  const size_t row_bytes = expected.back() * dtype_size(info.dtype);
  const ByteSource& source = *checkpoint_->shards[checkpoint_->tensors.at(name).shard].source;
  std::vector<std::byte> bytes(rows.size() * row_bytes);
  for (size_t i = 0; i < rows.size(); ++i) {
    source.read_at(info.begin + static_cast<size_t>(rows[i]) * row_bytes,
                   std::span(bytes).subspan(i * row_bytes, row_bytes));
  }
  const DeviceTensor tensor = backend_->allocate(info.dtype, rows.size(), expected.back());
  backend_->copy_in(tensor, bytes.data());
  return tensor;
}

DeviceTensor WeightLoader::load_vector(const std::string& name, size_t size) const {
  const auto it = checkpoint_->tensors.find(name);
  if (it == checkpoint_->tensors.end()) throw missing(*checkpoint_, name);
  const TensorInfo& info = checkpoint_->info(it->second);
  if (num_elements(info.shape) != size || !is_weight_dtype(info.dtype)) {
    throw wrong_shape(*checkpoint_, info, {size});
  }
  const std::vector<std::byte> bytes = read(name);
  std::vector<float> values(size);
  visit_weight({bytes.data(), info.dtype, 1, size}, [&](const auto& view) {
    for (size_t i = 0; i < size; ++i) values[i] = to_float(view.data[i]);
  });
  const DeviceTensor tensor = backend_->allocate(DType::kF32, 1, size);
  backend_->copy_in(tensor, values.data());
  return tensor;
}

float WeightLoader::load_scalar(const std::string& name) const {
  const auto it = checkpoint_->tensors.find(name);
  if (it == checkpoint_->tensors.end()) throw missing(*checkpoint_, name);
  const TensorInfo& info = checkpoint_->info(it->second);
  if (num_elements(info.shape) != 1 || !is_weight_dtype(info.dtype))
    throw wrong_shape(*checkpoint_, info, {1});
  const std::vector<std::byte> bytes = read(name);
  return visit_weight({bytes.data(), info.dtype, 1, 1},
                      [](const auto& view) { return to_float(view.data[0]); });
}

Norm WeightLoader::load_norm(const std::string& name, size_t width) const {
  Norm norm{name, load_vector(name + ".weight", width), {}};
  if (has(name + ".bias")) norm.bias = load_vector(name + ".bias", width);
  return norm;
}

DType WeightLoader::compressed_dtype() const {
  const std::string key = checkpoint_->config.contains("dtype") ? "dtype" : "torch_dtype";
  const auto named = checkpoint_->config.find(key);
  const auto dtype = named != checkpoint_->config.end() && named->is_string()
                         ? dtype_from_torch_name(named->get<std::string>())
                         : std::nullopt;
  return dtype && is_weight_dtype(*dtype) ? *dtype : DType::kBF16;
}

DeviceTensor WeightLoader::decompress(const QuantizationScheme& scheme, const std::string& module, size_t out,
                                      size_t in, size_t begin, size_t count) const {
  const DType weight_dtype = compressed_dtype();
  std::map<std::string, std::vector<std::byte>> bytes;
  std::map<std::string, std::span<const std::byte>> stored;
  for (const StoredTensor& tensor : stored_tensors(scheme, weight_dtype, out, in)) {
    const std::string name = module + "." + tensor.suffix;
    const auto it = checkpoint_->tensors.find(name);
    if (it == checkpoint_->tensors.end()) throw missing(*checkpoint_, name);
    const TensorInfo& info = checkpoint_->info(it->second);
    if (info.bytes() != num_bytes(tensor.shape, tensor.dtype))
      throw wrong_shape(*checkpoint_, info, tensor.shape);
    stored[tensor.suffix] = bytes[tensor.suffix] = read(name);
  }
  const DeviceTensor weight = backend_->allocate(DType::kF32, count, in);
  const size_t align = row_alignment(scheme);
  const size_t step =
      std::max<size_t>(1, kChunkBytes / std::max<size_t>(1, in * sizeof(float)) / align) * align;
  std::vector<float> values;
  for (size_t row = 0; row < count; row += step) {
    const size_t rows = std::min(step, count - row);
    values.resize(rows * in);
    decompress_rows(scheme, stored, weight_dtype, out, in, begin + row, rows, cpu_quantize_kernels(),
                    values.data());
    backend_->copy_in(weight.sub_rows(row, rows), values.data());
  }
  return weight;
}

void WeightLoader::quantize_input(const QuantizationScheme& scheme, Linear& linear) const {
  if (!scheme.input_activations) return;
  const QuantizationArgs& args = *scheme.input_activations;
  ActivationQuantArgs quant = activation_args(args);
  if (args.dynamic == Dynamic::kFalse) {
    quant.static_scale = load_scalar(linear.name + ".input_scale");
    if (!args.symmetric && has(linear.name + ".input_zero_point")) {
      const std::vector<std::byte> bytes = read(linear.name + ".input_zero_point");
      if (bytes.size() == 1) quant.static_zero_point = static_cast<int8_t>(bytes[0]);
    }
  } else if (args.dynamic == Dynamic::kLocal) {
    quant.global_scale = load_scalar(linear.name + ".input_global_scale");
  }
  linear.input_quant = quant;
}

void WeightLoader::check_linear(const std::string& name, size_t out, size_t in) const {
  const QuantizationScheme* scheme = scheme_of(name);
  if (scheme == nullptr || !scheme->weights) weight_info(name + ".weight", {out, in});
}

Linear WeightLoader::load_linear(const std::string& name, size_t out, size_t in) const {
  return load_linear_rows(name, out, in, 0, out);
}

Linear WeightLoader::load_linear_rows(const std::string& name, size_t out, size_t in, size_t begin,
                                      size_t count) const {
  Linear linear;
  linear.name = name;
  const QuantizationScheme* scheme = scheme_of(name);
  if (scheme != nullptr && scheme->weights) {
    linear.weight = backend_->pack(decompress(*scheme, name, out, in, begin, count));
  } else {
    linear.weight = backend_->pack(load_rows(name + ".weight", {out, in}, begin, count));
  }
  if (scheme != nullptr) quantize_input(*scheme, linear);
  if (has(name + ".bias")) {
    const DeviceTensor bias = load_vector(name + ".bias", out);
    linear.bias = bias.reshaped(out, 1).sub_rows(begin, count).reshaped(1, count);
  }
  return linear;
}

std::vector<Linear> WeightLoader::load_stacked(const std::string& name, size_t experts, size_t out,
                                               size_t in) const {
  const DeviceTensor all = load_tensor(name + ".weight", {experts, out, in});
  std::vector<Linear> linears(experts);
  for (size_t e = 0; e < experts; ++e) {
    linears[e].name = fmt::format("{}.{}", name, e);
    linears[e].weight = backend_->pack(all.sub_rows(e * out, out));
  }
  return linears;
}

}  // namespace tersor
