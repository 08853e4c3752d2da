#include "tersor/entrypoints/compressed_modules.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "tersor/base/error.h"

namespace tersor {
namespace {

constexpr std::array<std::string_view, 8> kStoredSuffixes = {
    "weight_packed",       "weight_scale",       "weight_shape", "weight_zero_point",
    "weight_global_scale", "input_global_scale", "input_scale",  "weight_g_idx"};

// [out, in] of a module, from whichever of its tensors tells it.
std::pair<uint64_t, uint64_t> shape_of(const Checkpoint& checkpoint, const std::string& name) {
  if (const auto it = checkpoint.tensors.find(name + ".weight_shape"); it != checkpoint.tensors.end()) {
    const TensorInfo& info = checkpoint.info(it->second);
    if (info.dtype == DType::kI64 && info.bytes() == 16) {
      std::array<int64_t, 2> shape{};
      checkpoint.shards[it->second.shard].source->read_at(info.begin,
                                                          std::as_writable_bytes(std::span(shape)));
      if (shape[0] >= 0 && shape[1] >= 0)
        return {static_cast<uint64_t>(shape[0]), static_cast<uint64_t>(shape[1])};
    }
  }
  for (const auto& [suffix, factor] : {std::pair{".weight", 1u}, std::pair{".weight_packed", 2u}}) {
    const auto it = checkpoint.tensors.find(name + suffix);
    if (it == checkpoint.tensors.end()) continue;
    const TensorInfo& info = checkpoint.info(it->second);
    // Without weight_shape, packed means FP4: two columns a byte.
    if (info.shape.size() == 2 && (factor == 1 || info.dtype == DType::kU8))
      return {info.shape[0], info.shape[1] * factor};
  }
  throw input_error(
      fmt::format("{}: the shape of the quantized module `{}` cannot be told from its tensors",
                  checkpoint.folder.string(), name),
      "a `weight_shape` of two I64, or a two-dimensional `weight` or U8 `weight_packed` was expected");
}

}  // namespace

SchemeLookup::SchemeLookup(const QuantizationConfig& config)
    : list_(list_targets(config.groups)), targets_(list_.targets), ignore_(config.ignore) {}

std::optional<size_t> SchemeLookup::scheme_of(const ModuleName& module) const {
  if (ignore_.match(module)) return std::nullopt;
  const auto hit = targets_.match(module);
  return hit ? std::optional(list_.groups[hit->pattern]) : std::nullopt;
}

std::string SchemeLookup::target_of(const ModuleName& module) const {
  if (ignore_.match(module)) return "";
  const auto hit = targets_.match(module);
  return hit ? targets_.patterns()[hit->pattern] : "";
}

std::optional<std::pair<std::string, std::string>> split_stored_name(const std::string& tensor_name) {
  const size_t dot = tensor_name.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  std::string suffix = tensor_name.substr(dot + 1);
  if (std::ranges::find(kStoredSuffixes, suffix) == kStoredSuffixes.end()) return std::nullopt;
  return std::pair{tensor_name.substr(0, dot), std::move(suffix)};
}

std::optional<QuantizationConfig> quantization_config_of(const Checkpoint& checkpoint) {
  const auto it = checkpoint.config.find("quantization_config");
  if (it == checkpoint.config.end() || !it->is_object() || it->empty()) return std::nullopt;
  return quantization_config_from_json(*it, (checkpoint.folder / "config.json").string());
}

std::vector<CompressedModule> compressed_modules(const Checkpoint& checkpoint,
                                                 const QuantizationConfig& config) {
  const SchemeLookup lookup(config);
  std::vector<CompressedModule> out;
  for (const auto& [tensor, place] : checkpoint.tensors) {
    const auto split = split_stored_name(tensor);
    if (!split || split->second != "weight_scale") continue;
    const auto& name = split->first;
    const auto [rows, columns] = shape_of(checkpoint, name);
    const auto scheme = lookup.scheme_of({name, classify_module(name, {rows, columns})});
    if (!scheme || !config.groups[*scheme].weights) {
      throw input_error(fmt::format("{}: `{}` is stored quantized (there is a `weight_scale`), but "
                                    "quantization_config gives it no scheme",
                                    checkpoint.folder.string(), name),
                        "readers would not load it: `targets` must name the module and `ignore` must not");
    }
    out.push_back({name, *scheme, rows, columns});
  }
  return out;
}

}  // namespace tersor
