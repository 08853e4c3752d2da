#include "tersor/compressors/quantization_config.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/compressors/json_fields.h"

namespace tersor {
namespace {

constexpr std::string_view kMixed = "mixed-precision";

Json args_or_null(const std::optional<QuantizationArgs>& args) { return args ? args_to_json(*args) : Json(); }

Json scheme_to_json(const QuantizationScheme& scheme) {
  return {
      {"format", format_name(format_of(scheme))},
      {"input_activations", args_or_null(scheme.input_activations)},
      {"output_activations", args_or_null(scheme.output_activations)},
      {"targets", scheme.targets},
      {"weights", args_or_null(scheme.weights)},
  };
}

// One name for the whole checkpoint: the formats in use, unquantized ones left out.
std::string_view global_format(const std::vector<QuantizationScheme>& groups) {
  std::set<Format> formats;
  for (const QuantizationScheme& group : groups) formats.insert(format_of(group));
  formats.erase(Format::kDense);
  if (formats.empty()) return format_name(Format::kDense);
  return formats.size() == 1 ? format_name(*formats.begin()) : kMixed;
}

std::optional<QuantizationArgs> read_args(const JsonField& field, const std::string& origin) {
  if (field.is_null()) return std::nullopt;
  return args_from_json(field.value(), origin, field.path());
}

// Null for none; "mixed-precision" only where several may be meant.
std::optional<Format> read_format(const JsonField& field, bool may_be_mixed) {
  if (field.is_null()) return std::nullopt;
  const std::string name = field.string();
  // "fakequant" is what compressed-tensors writes before it knows: nothing.
  if (may_be_mixed && (name == kMixed || name == "fakequant")) return std::nullopt;
  if (const std::optional<Format> format = format_from_name(name)) return format;
  if (name.starts_with("sparse-") || name == "marlin-24") {
    field.fail(fmt::format("the format {} is not supported: compressed-tensors 0.15 removed it", name),
               "compress the original checkpoint again");
  }
  field.expected("the name of a format");
}

QuantizationScheme read_scheme(const std::string& name, const JsonField& field, const std::string& origin) {
  if (field.value().is_array()) {  // "W4A16": ["Linear"]
    std::optional<QuantizationScheme> preset = preset_scheme(name);
    if (!preset) {
      const std::vector<std::string> near = nearest_names(name, preset_scheme_names());
      field.fail("a list of targets stands under the name of a preset scheme, and this is none",
                 near.empty() ? "" : fmt::format("did you mean {}?", quoted_list(near)));
    }
    preset->targets = field.strings();
    return *preset;
  }
  field.object().only_keys({"format", "input_activations", "output_activations", "targets", "weights"});
  QuantizationScheme scheme;
  scheme.targets = field["targets"].strings();
  scheme.weights = read_args(field["weights"], origin);
  scheme.input_activations = read_args(field["input_activations"], origin);
  scheme.output_activations = read_args(field["output_activations"], origin);
  scheme.format = read_format(field["format"], false);
  try {
    validate(scheme, field.path());
  } catch (const Error& e) {
    throw input_error(fmt::format("{}: {}", origin, e.what()), e.help());
  }
  return scheme;
}

// Old files name a sparse format here; new ones an empty object.
void check_no_sparsity(const JsonField& field) {
  if (field.is_null()) return;
  const JsonField format = field.object()["format"];
  if (format.is_null() || format.string() == format_name(Format::kDense)) return;
  format.fail(fmt::format("sparse checkpoints are not supported, found {}", format.string()));
}

void check_no_transforms(const JsonField& field) {
  if (field.is_null() || field.object().value().empty()) return;
  const JsonField groups = field["config_groups"];
  if (groups.is_null() || groups.value().empty()) return;
  groups.fail("rotated checkpoints are not supported: their weights are not those of the original model");
}

void check_status(const JsonField& field) {
  if (field.is_null()) return;
  constexpr std::string_view kKnown[] = {"initialized", "calibration", "frozen", "compressed",
                                         "decompressed"};
  if (std::find(std::begin(kKnown), std::end(kKnown), field.string()) == std::end(kKnown))
    field.expected("initialized, calibration, frozen, compressed or decompressed");
}

}  // namespace

Json quantization_config_to_json(const QuantizationConfig& config) {
  Json groups = Json::object();
  const size_t digits = config.groups.empty() ? 1 : std::to_string(config.groups.size() - 1).size();
  for (size_t i = 0; i < config.groups.size(); ++i)
    groups[fmt::format("group_{:0{}}", i, digits)] = scheme_to_json(config.groups[i]);
  return {
      {"config_groups", std::move(groups)},
      {"format", global_format(config.groups)},
      {"global_compression_ratio", nullptr},
      {"ignore", config.ignore},
      {"kv_cache_scheme", args_or_null(config.kv_cache_scheme)},
      {"quant_method", "compressed-tensors"},
      {"quantization_status", "compressed"},
      {"sparsity_config", Json::object()},
      {"transform_config", Json::object()},
      {"version", config.version},
  };
}

QuantizationConfig quantization_config_from_json(const Json& json, const std::string& origin) {
  const JsonField field(json, origin, "quantization_config");
  if (const JsonField method = field.object()["quant_method"];
      !method.is_null() && method.string() != "compressed-tensors") {
    method.fail(fmt::format("expected compressed-tensors, found {}", method.string()),
                "checkpoints quantized by other libraries cannot be read");
  }
  check_status(field["quantization_status"]);
  check_no_sparsity(field["sparsity_config"]);
  check_no_transforms(field["transform_config"]);

  QuantizationConfig config;
  const std::optional<Format> format = read_format(field["format"], true);
  config.kv_cache_scheme = read_args(field["kv_cache_scheme"], origin);
  const JsonField groups = field["config_groups"];
  if (!groups.is_null() || !config.kv_cache_scheme) {
    for (const auto& [name, unused] : groups.object().value().items()) {
      config.groups.push_back(read_scheme(name, groups[name], origin));
      if (!config.groups.back().format) config.groups.back().format = format;
    }
  }
  if (const JsonField ignore = field["ignore"]; !ignore.is_null()) config.ignore = ignore.strings();
  const JsonField version = field["version"];
  config.version = version.is_null() ? "" : version.string();
  return config;
}

}  // namespace tersor
