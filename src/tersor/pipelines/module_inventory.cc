#include "tersor/pipelines/module_inventory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "tersor/base/error.h"
#include "tersor/base/text.h"
#include "tersor/quantization/fused_modules.h"

namespace tersor {
namespace {

constexpr std::string_view kWeight = ".weight";

std::string model_type(const Json& config) {
  const auto it = config.find("model_type");
  return it != config.end() && it->is_string() ? it->get<std::string>() : "";
}

// The objects that a key of config.json may stand in: the top level, then its text_config.
std::vector<const Json*> config_levels(const Json& config) {
  std::vector<const Json*> levels;
  if (config.is_object()) levels.push_back(&config);
  if (const auto text = config.find("text_config"); text != config.end() && text->is_object())
    levels.push_back(&*text);
  return levels;
}

bool config_bool(const Json& config, const char* key, bool otherwise) {
  for (const Json* level : config_levels(config)) {
    if (const auto it = level->find(key); it != level->end() && it->is_boolean()) return *it;
  }
  return otherwise;
}

// "compressed-tensors", "fp8", "gptq", … of a checkpoint that is quantized already; empty when it is not. A
// null stands for no key, as readers take it.
std::string quantization_method(const Json& config, const std::string& origin) {
  for (const Json* level : config_levels(config)) {
    for (const char* key : {"quantization_config", "compression_config"}) {
      const auto it = level->find(key);
      if (it == level->end() || it->is_null()) continue;
      if (!it->is_object() || it->empty()) {
        throw input_error(
            fmt::format("{}: `{}` is {}; an object with a `quant_method`, or no such key, was expected",
                        origin, key,
                        it->is_object() ? "empty"
                                        : printable(it->dump(-1, ' ', true, Json::error_handler_t::replace))),
            "readers refuse such a file: remove the key if the weights are not quantized, or download "
            "config.json again");
      }
      const auto method = it->find("quant_method");
      return method != it->end() && method->is_string() ? method->get<std::string>() : "an unnamed method";
    }
  }
  return "";
}

// Tensors that only quantized checkpoints hold, by the end of their names.
constexpr std::array<std::string_view, 9> kQuantizedSuffixes = {
    ".weight_packed", ".weight_scale", ".weight_scale_inv", ".weight_zero_point",
    ".qweight",       ".qzeros",       ".scales",           ".weight_scale_2",
    ".absmax"};

void refuse_quantized(const Checkpoint& checkpoint) {
  constexpr const char* kHelp =
      "start from the original checkpoint in bf16, f16 or f32: rounding twice only loses accuracy";
  if (const std::string method =
          quantization_method(checkpoint.config, (checkpoint.folder / "config.json").string());
      !method.empty()) {
    throw input_error(fmt::format("{} is quantized already (quant_method `{}` in config.json)",
                                  checkpoint.folder.string(), method),
                      kHelp);
  }
  for (const auto& [name, place] : checkpoint.tensors) {
    for (const std::string_view suffix : kQuantizedSuffixes) {
      if (name.ends_with(suffix)) {
        throw input_error(
            fmt::format("{} is quantized already: {} holds the tensor `{}`", checkpoint.folder.string(),
                        checkpoint.shards[place.shard].file_name, name),
            kHelp);
      }
    }
  }
}

// A weight without elements: DeepSpeed's stage 3 leaves such placeholders in what it saves.
void refuse_empty(const Checkpoint& checkpoint, const TensorPlace& place) {
  const TensorInfo& info = checkpoint.info(place);
  if (std::ranges::find(info.shape, 0u) == info.shape.end()) return;
  throw input_error(fmt::format("`{}` in {} has shape {}: it holds no weight", info.name,
                                (checkpoint.folder / checkpoint.shards[place.shard].file_name).string(),
                                to_string(info.shape)),
                    "such placeholders are left where weights were not gathered before saving: download the "
                    "checkpoint again, "
                    "or save the model anew");
}

// One projection that a fused expert tensor holds, in order of its rows.
struct ExpertProjection {
  std::string_view name;
  uint64_t rows;
};

// Families whose experts are w1 (gate), w3 (up), w2 (down) to vLLM; everybody else's are spelt out.
bool names_experts_w123(const std::string& type) {
  return type == "mixtral" || type == "phimoe" || type == "minimax_m2" || type == "lfm2_moe";
}

struct FusedExperts {
  std::string prefix;                         // "model.layers.0.mlp.experts"
  std::vector<ExpertProjection> projections;  // of each expert
  std::string unsupported;
};

// Whether `name` with this shape is a fused expert tensor, and what it holds. Layout of the Hub's fused
// checkpoints: gate_up_proj [experts, 2 * intermediate, hidden], gate's rows first; down_proj
// [experts, hidden, intermediate].
std::optional<FusedExperts> fused_experts(const std::string& tensor_name, const Shape& shape,
                                          const Json& config) {
  if (shape.size() != 3) return std::nullopt;
  std::string_view name = tensor_name;
  if (name.ends_with(kWeight)) name.remove_suffix(kWeight.size());
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || !name.substr(0, dot).ends_with("experts")) return std::nullopt;
  const std::string_view last = name.substr(dot + 1);
  const std::string type = model_type(config);
  const bool w123 = names_experts_w123(type);
  FusedExperts fused{.prefix = std::string(name.substr(0, dot)), .projections = {}, .unsupported = ""};

  const uint64_t hidden = config_uint(config, "hidden_size");
  bool columns_are_inputs = true;  // false: stored [experts, in, out]
  if (last == "gate_up_proj") {
    if (hidden != 0) columns_are_inputs = shape[2] == hidden;
    fused.projections = {{w123 ? "w1" : "gate_proj", shape[1] / 2}, {w123 ? "w3" : "up_proj", shape[1] / 2}};
  } else if (last == "gate_proj" || last == "up_proj") {
    if (hidden != 0) columns_are_inputs = shape[2] == hidden;
    fused.projections = {
        {last == "up_proj" ? (w123 ? "w3" : "up_proj") : (w123 ? "w1" : "gate_proj"), shape[1]}};
  } else if (last == "down_proj") {
    if (hidden != 0) columns_are_inputs = shape[1] == hidden;
    fused.projections = {{w123 ? "w2" : "down_proj", shape[1]}};
  } else {
    return std::nullopt;
  }
  if (type == "gpt_oss") {
    fused.unsupported = "gpt-oss interleaves gate and up rows in one tensor, which is not split";
  } else if (!columns_are_inputs) {
    fused.unsupported = fmt::format(
        "{} is stored [experts, in, out] (hidden_size {} is not where [experts, out, in] has it), which is "
        "not split",
        to_string(shape), hidden);
  } else if (last == "gate_up_proj" && shape[1] % 2 != 0) {
    fused.unsupported = fmt::format("{} rows do not halve into gate and up", shape[1]);
  }
  return fused;
}

// The number after "layers." in a name.
std::optional<uint64_t> layer_index(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  const size_t at = name.find(kLayers);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(at + kLayers.size());
  uint64_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end == digits.data()) return std::nullopt;
  return index;
}

// Layers that predict further tokens: `mtp.…`, or decoder layers past num_hidden_layers (DeepSeek-V3, GLM-4).
// Returns the pattern that names the layer, or an empty string.
std::string mtp_pattern(const std::string& name, uint64_t hidden_layers, bool has_mtp_layers) {
  if (name.starts_with("mtp.") || name.starts_with("model.mtp.")) return "re:^(model\\.)?mtp\\..*";
  if (!has_mtp_layers || name.find("visual") != std::string::npos) return "";
  const auto index = layer_index(name);
  return index && hidden_layers != 0 && *index >= hidden_layers ? fmt::format("re:.*layers\\.{}\\..*", *index)
                                                                : "";
}

}  // namespace

std::string flags_to_ignore(const ModuleInventory& inventory, const std::string& name) {
  constexpr std::string_view kExperts = "experts.";
  const size_t experts = name.find(kExperts);
  if (experts != std::string::npos && experts + kExperts.size() < name.size() &&
      name[experts + kExperts.size()] >= '0' && name[experts + kExperts.size()] <= '9')
    return fmt::format("`--ignore 're:{}.*'`", name.substr(0, experts + kExperts.size()));
  const std::optional<std::string> stacked = fused_key(name);
  std::string flags;
  for (const SourceModule& module : inventory.modules) {
    const std::string& other = module.name.name;
    if (other != name && (!stacked || fused_key(other) != stacked)) continue;
    flags += fmt::format("{}--ignore {}", flags.empty() ? "" : " ", other);
  }
  return fmt::format("`{}`", flags);
}

uint64_t config_uint(const Json& config, const std::string& key) {
  for (const Json* level : config_levels(config)) {
    if (const auto it = level->find(key); it != level->end() && it->is_number_unsigned()) return *it;
  }
  return 0;
}

namespace {

bool is_size(const Json& value) {
  if (value.is_binary() || value.is_string() || value.is_boolean()) return false;
  if (value.is_number_float()) return std::isfinite(value.get<double>()) && value.get<double>() >= 0;
  return !value.is_number_integer() || value.is_number_unsigned();
}

// Sizes that readers and this program count with: 1E400 and 10^30 are numbers to Python, but none of these. A
// null stands for the family's own, a list for one a layer.
void refuse_absurd_sizes(const Checkpoint& checkpoint) {
  constexpr const char* kSizes[] = {"hidden_size",          "intermediate_size",        "num_hidden_layers",
                                    "num_attention_heads",  "num_key_value_heads",      "head_dim",
                                    "vocab_size",           "num_nextn_predict_layers", "num_mtp_layers",
                                    "mtp_num_hidden_layers"};
  for (const Json* level : config_levels(checkpoint.config)) {
    for (const char* key : kSizes) {
      const auto it = level->find(key);
      if (it == level->end() || is_size(*it)) continue;
      throw input_error(
          fmt::format("{}: `{}` is {}, which is no size", (checkpoint.folder / "config.json").string(), key,
                      printable(json_text(*it))),
          "compare config.json with the model's original one");
    }
  }
}

// Collects the modules of a checkpoint, tensor by tensor.
class InventoryBuilder {
 public:
  explicit InventoryBuilder(const Json& config)
      : config_(config),
        type_(model_type(config)),
        tied_(config_bool(config, "tie_word_embeddings", false)),
        hidden_layers_(config_uint(config, "num_hidden_layers")),
        has_mtp_(config_uint(config, "num_nextn_predict_layers") > 0 ||
                 config_uint(config, "num_mtp_layers") > 0 ||
                 config_uint(config, "mtp_num_hidden_layers") > 0) {}

  void add_tensor(const Checkpoint& checkpoint, TensorPlace place) {
    const TensorInfo& info = checkpoint.shards[place.shard].header.tensors[place.tensor];
    if (const auto fused = fused_experts(info.name, info.shape, config_)) {
      refuse_empty(checkpoint, place);
      add_experts(*fused, info, place);
    } else if (info.name.ends_with(kWeight)) {
      refuse_empty(checkpoint, place);
      const std::string name = info.name.substr(0, info.name.size() - kWeight.size());
      add({.name = {name, classify_module(name, info.shape, type_)},
           .shape = info.shape,
           .dtype = info.dtype,
           .place = place,
           .begin = info.begin,
           .has_weight = true,
           .kept_because = "",
           .unsupported = ""});
    }
  }

  ModuleInventory finish() {
    if (!has_lm_head_ && (tied_ || !embedding_.empty())) add_head_without_weight();
    inventory_.mtp_patterns.assign(mtp_patterns_.begin(), mtp_patterns_.end());
    return std::move(inventory_);
  }

 private:
  void add(SourceModule module) {
    if (std::string pattern = mtp_pattern(module.name.name, hidden_layers_, has_mtp_); !pattern.empty()) {
      module.kept_because = kMtpReason;
      mtp_patterns_.insert(std::move(pattern));
    }
    if (module.name.module_class == ModuleClass::kEmbedding && embedding_.empty())
      embedding_ = module.name.name;
    if (module.name.name == "lm_head") {
      has_lm_head_ = true;
      if (tied_ && module.has_weight) module.kept_because = "tied to the embedding";
    }
    inventory_.modules.push_back(std::move(module));
  }

  void add_experts(const FusedExperts& fused, const TensorInfo& info, TensorPlace place) {
    const uint64_t row_bytes = info.shape[2] * dtype_size(info.dtype);
    uint64_t begin = info.begin;
    for (uint64_t e = 0; e < info.shape[0]; ++e) {
      for (const ExpertProjection& projection : fused.projections) {
        add({.name = {fmt::format("{}.{}.{}", fused.prefix, e, projection.name), ModuleClass::kLinear},
             .shape = {projection.rows, info.shape[2]},
             .dtype = info.dtype,
             .place = place,
             .begin = begin,
             .has_weight = true,
             .kept_because = "",
             .unsupported = fused.unsupported});
        begin += projection.rows * row_bytes;
      }
    }
  }

  // Readers build an lm_head all the same, and recipes name it.
  void add_head_without_weight() {
    add({.name = {"lm_head", ModuleClass::kLinear},
         .shape = {},
         .dtype = DType::kBF16,
         .place = {},
         .begin = 0,
         .has_weight = false,
         .kept_because = embedding_.empty() ? "it has no weight of its own" : "tied to " + embedding_,
         .unsupported = ""});
  }

  const Json& config_;
  const std::string type_;
  const bool tied_;
  const uint64_t hidden_layers_;
  const bool has_mtp_;
  ModuleInventory inventory_;
  std::set<std::string> mtp_patterns_;
  std::string embedding_;  // the first one's name
  bool has_lm_head_ = false;
};

}  // namespace

ModuleInventory take_inventory(const Checkpoint& checkpoint) {
  refuse_quantized(checkpoint);
  refuse_absurd_sizes(checkpoint);
  InventoryBuilder inventory(checkpoint.config);
  for (size_t s = 0; s < checkpoint.shards.size(); ++s) {
    for (size_t t = 0; t < checkpoint.shards[s].header.tensors.size(); ++t)
      inventory.add_tensor(checkpoint, {s, t});
  }
  return inventory.finish();
}

}  // namespace tersor
