#include "tersor/entrypoints/inspect.h"

#include <map>
#include <set>

#include "tersor/base/error.h"
#include "tersor/entrypoints/compressed_modules.h"
#include "tersor/pipelines/compression_plan.h"

namespace tersor {
namespace {

std::string text_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// Bytes of an element before compression: config.json's dtype, else bf16.
uint64_t dense_size(const Json& config) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (const auto dtype = dtype_from_torch_name(text_of(config, key))) return dtype_size(*dtype);
  }
  return 2;
}

// "…q_proj" of "…q_proj.weight" and "…q_proj.bias": the tensor's module.
std::string module_of(const std::string& tensor) {
  const size_t dot = tensor.rfind('.');
  return dot == std::string::npos ? tensor : tensor.substr(0, dot);
}

}  // namespace

InspectReport inspect(const std::string& model) {
  const Checkpoint checkpoint = open_checkpoint(model);
  InspectReport report;
  report.folder = checkpoint.folder.string();
  report.model_type = text_of(checkpoint.config, "model_type");
  report.shards = checkpoint.shards.size();
  report.tensors = checkpoint.tensors.size();

  std::map<std::string, const CompressedModule*> compressed;
  std::vector<CompressedModule> modules;
  std::optional<QuantizationConfig> config;
  if (const auto it = checkpoint.config.find("quantization_config");
      it != checkpoint.config.end() && it->is_object()) {
    report.quantization = text_of(*it, "quant_method");
    if (report.quantization == "compressed-tensors") {
      report.quantization += ", " + text_of(*it, "format");
      config = quantization_config_of(checkpoint);
      modules = compressed_modules(checkpoint, *config);
      for (const CompressedModule& m : modules) compressed[m.name] = &m;
    }
  }

  std::map<std::pair<std::string, std::string>, size_t> index;  // name pattern, scheme → class
  std::set<std::string> counted;
  const uint64_t element = dense_size(checkpoint.config);
  for (const auto& [tensor, place] : checkpoint.tensors) {
    const TensorInfo& info = checkpoint.info(place);
    const std::string module = module_of(tensor);
    const auto it = compressed.find(module);
    const CompressedModule* c = it == compressed.end() ? nullptr : it->second;
    const std::string scheme = c == nullptr ? "" : describe(config->groups[c->scheme]);
    const auto [at, fresh] = index.try_emplace({group_name(module), scheme}, report.classes.size());
    if (fresh) {
      report.classes.emplace_back();
      report.classes.back().name = group_name(module);
      report.classes.back().scheme = scheme;
      if (c != nullptr) report.classes.back().format = format_name(format_of(config->groups[c->scheme]));
    }
    TensorClass& cls = report.classes[at->second];
    cls.bytes += info.bytes();
    const bool dense = c == nullptr || (!split_stored_name(tensor) && !tensor.ends_with(".weight"));
    uint64_t dense_bytes = dense ? info.bytes() : 0;
    if (counted.insert(module).second) {
      ++cls.modules;
      Shape shape = info.shape;
      if (c != nullptr) {
        shape = {c->out, c->in};
        dense_bytes += c->out * c->in * element;
      }
      if (cls.modules == 1) {
        cls.shape = shape;
      } else if (cls.shape != shape) {
        cls.shape.clear();
      }
    }
    cls.dense_bytes += dense_bytes;
    report.bytes += info.bytes();
    report.dense_bytes += dense_bytes;
  }
  return report;
}

}  // namespace tersor
