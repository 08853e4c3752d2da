#include "tersor/compressors/load_view.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "tersor/quantization/fused_modules.h"

namespace tersor {
namespace {

// Linears that vLLM 0.32 splits by columns (RowParallelLinear) and by rows (ColumnParallelLinear), by name.
// Others are taken as whole: latent projections, routers and what no list names.
constexpr std::string_view kSplitByColumns[] = {"o_proj", "down_proj",     "w2",     "out_proj", "dense",
                                                "fc2",    "dense_4h_to_h", "c_proj", "wo",       "fc_out"};
constexpr std::string_view kSplitByRows[] = {
    "q_proj",       "k_proj",   "v_proj", "qkv_proj", "query_key_value", "gate_proj", "up_proj",
    "gate_up_proj", "w1",       "w3",     "fc1",      "q_b_proj",        "kv_b_proj", "dense_h_to_4h",
    "in_proj_qkv",  "in_proj_z"};

// What the last part of a name tells, kept per distinct part: there are few.
struct Leaf {
  Split split = Split::kWhole;
  bool embedding = false;
  int set = -1;  // index into fused_sets()
  size_t position = 0;
};

Leaf describe_leaf(std::string_view leaf) {
  Leaf result;
  if (std::ranges::find(kSplitByColumns, leaf) != std::end(kSplitByColumns)) result.split = Split::kColumns;
  if (std::ranges::find(kSplitByRows, leaf) != std::end(kSplitByRows)) result.split = Split::kRows;
  result.embedding = classify_module(leaf, Shape{2, 2}) == ModuleClass::kEmbedding;
  for (size_t s = 0; s < fused_sets().size(); ++s) {
    const auto& members = fused_sets()[s].members;
    const auto found = std::ranges::find(members, leaf);
    if (found == members.end()) continue;
    result.set = static_cast<int>(s);
    result.position = static_cast<size_t>(found - members.begin());
  }
  return result;
}

// "model.layers.0.mlp.experts" and "3" of "model.layers.0.mlp.experts.3"; empty when this is no expert.
struct ExpertName {
  std::string_view mixture, number;
};
ExpertName expert_of(std::string_view parent) {
  const size_t dot = parent.rfind('.');
  if (dot == std::string_view::npos || !is_number(parent.substr(dot + 1))) return {};
  const std::string_view mixture = parent.substr(0, dot);
  const bool experts = mixture == "experts" || mixture.ends_with(".experts");
  return experts ? ExpertName{mixture, parent.substr(dot + 1)} : ExpertName{};
}

// model_type of those that is_known_family() takes.
constexpr std::string_view kAlikeLayers[] = {
    "cohere2",    "deepseek_v2",     "deepseek_v3", "gemma2", "gemma3_text", "glm4_moe", "granite",
    "llama",      "mistral",         "mixtral",     "olmo2",  "olmoe",       "phi3",     "qwen2",
    "qwen2_5_vl", "qwen2_5_vl_text", "qwen2_moe",   "qwen3",  "qwen3_moe",   "smollm3",  "starcoder2"};

struct FusedKey {
  std::string_view parent;
  int set;
  bool operator==(const FusedKey&) const = default;
};
struct FusedKeyHash {
  size_t operator()(const FusedKey& key) const {
    return std::hash<std::string_view>()(key.parent) * 31 + static_cast<size_t>(key.set);
  }
};

// Keys and values of grouped-query attention are copied to further ranks when there are more ranks than
// heads.
uint64_t rows_per_rank(const LoadView& view, std::string_view leaf, uint64_t out) {
  const bool key_or_value = leaf == "k_proj" || leaf == "v_proj";
  if (key_or_value && view.kv_heads != 0 && view.kv_heads < view.ranks()) return out / view.kv_heads;
  return out / view.ranks();
}

void read_config(LoadView& view) {
  if (view.context.config == nullptr || !view.context.config->is_object()) return;
  const Json& top = *view.context.config;
  view.multipart = is_multipart(top);
  const auto nested = top.find("text_config");
  const Json& text = nested != top.end() && nested->is_object() ? *nested : top;
  view.text_config = &text;
  view.heads = unsigned_at(text, "num_attention_heads");
  view.kv_heads = unsigned_at(text, "num_key_value_heads");
  if (view.kv_heads == 0) view.kv_heads = view.heads;
  view.layers = unsigned_at(text, "num_hidden_layers");
  if (const auto names = top.find("architectures");
      names != top.end() && names->is_array() && !names->empty() && names->front().is_string())
    view.architecture = names->front().get_ref<const std::string&>();
  if (const auto type = text.find("model_type"); type != text.end() && type->is_string())
    view.model_type = type->get_ref<const std::string&>();
  bool said = false, any_tied = false;
  for (const Json* part : {&top, &text}) {
    const auto tie = part->find("tie_word_embeddings");
    if (tie == part->end() || !tie->is_boolean()) continue;
    view.tied = tie->get<bool>();
    said = true;
    any_tied |= view.tied;
  }
  view.said_untied = said && !any_tied;
}

}  // namespace

// Engines split such parts in their own ways, or not.
bool is_tower(std::string_view name) {
  for (const std::string_view part : {"vision", "visual", "audio"})
    if (name.find(part) != std::string_view::npos) return true;
  return false;
}

uint64_t unsigned_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return 0;
  return static_cast<uint64_t>(std::max<int64_t>(0, found->get<int64_t>()));
}

// Not what others make of one: an embedder without lm_head, the draft of a speculative decoder without
// embeddings.
bool is_known_family(const LoadView& view) {
  const bool whole = view.architecture.empty() || view.architecture.ends_with("ForCausalLM") ||
                     view.architecture.ends_with("ForConditionalGeneration");
  return whole && std::ranges::find(kAlikeLayers, view.model_type) != std::end(kAlikeLayers);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

LayerName layer_of(std::string_view name) {
  for (const std::string_view list : {"layers.", "blocks.", "h."}) {
    size_t at = name.find(list);
    while (at != std::string_view::npos && at > 0 && name[at - 1] != '.') at = name.find(list, at + 1);
    if (at == std::string_view::npos) continue;
    const size_t begin = at + list.size(), end = name.find('.', begin);
    if (end == std::string_view::npos || !is_number(name.substr(begin, end - begin))) continue;
    return {name.substr(0, begin), name.substr(begin, end - begin), name.substr(end + 1)};
  }
  return {};
}

bool is_multipart(const Json& config) {
  if (!config.is_object()) return false;
  constexpr std::array<const char*, 3> kParts = {"text_config", "vision_config", "audio_config"};
  return std::ranges::any_of(kParts, [&](const char* key) {
    const auto it = config.find(key);
    return it != config.end() && it->is_object();
  });
}

std::vector<int32_t> SchemeUse::all() const {
  std::vector<int32_t> result = linears;
  result.insert(result.end(), experts.begin(), experts.end());
  return result;
}

bool same_numbers(const QuantizationScheme& a, const QuantizationScheme& b) {
  if (&a == &b) return true;
  auto essence = [](std::optional<QuantizationArgs> args) {
    if (args) {
      args->observer.reset();
      args->observer_kwargs.clear();
      args->actorder.reset();
    }
    return args;
  };
  return format_of(a) == format_of(b) && essence(a.weights) == essence(b.weights) &&
         essence(a.input_activations) == essence(b.input_activations) &&
         essence(a.output_activations) == essence(b.output_activations);
}

LoadView::LoadView(const LoadContext& given) : context(given) {
  read_config(*this);
  std::unordered_map<std::string_view, Leaf> leaves;
  std::unordered_map<FusedKey, int32_t, FusedKeyHash> fused_sets_found;
  std::unordered_map<std::string_view, int32_t> mixtures_found;
  std::unordered_map<const QuantizationScheme*, int32_t> schemes_found;

  auto scheme_index = [&](const QuantizationScheme* scheme) {
    const auto [at, added] = schemes_found.try_emplace(scheme, static_cast<int32_t>(schemes.size()));
    if (added) {
      int32_t kind = at->second;
      for (const SchemeUse& use : schemes) {
        if (!same_numbers(*use.scheme, *scheme)) continue;
        kind = use.kind;
        break;
      }
      schemes.push_back({scheme, kind, {}, {}, {}});
    }
    return at->second;
  };
  for (const QuantizationScheme& group : context.groups) {
    groups.push_back(&group);
    scheme_index(&group);
  }

  modules.reserve(context.modules.size());
  for (const LoadableModule& module : context.modules) {
    const auto index = static_cast<int32_t>(modules.size());
    const std::string_view name = module.name;
    const size_t dot = name.rfind('.');
    ViewedModule m{.module = &module,
                   .parent = dot == std::string_view::npos ? std::string_view() : name.substr(0, dot),
                   .leaf = dot == std::string_view::npos ? name : name.substr(dot + 1)};
    const auto [at, added] = leaves.try_emplace(m.leaf);
    if (added) at->second = describe_leaf(m.leaf);
    const Leaf& leaf = at->second;
    m.embedding = leaf.embedding;

    if (const ExpertName expert = expert_of(m.parent); !expert.mixture.empty()) {
      const auto [found, first] =
          mixtures_found.try_emplace(expert.mixture, static_cast<int32_t>(mixtures.size()));
      if (first) mixtures.push_back({expert.mixture, {}, {}});
      m.mixture = found->second;
      Mixture& mixture = mixtures[static_cast<size_t>(m.mixture)];
      mixture.modules.push_back(index);
      if (expert.number == "0") mixture.first.push_back(index);
    } else if (leaf.set >= 0) {
      const auto [found, first] =
          fused_sets_found.try_emplace(FusedKey{m.parent, leaf.set}, static_cast<int32_t>(fused.size()));
      if (first)
        fused.push_back({m.parent, fused_sets()[static_cast<size_t>(leaf.set)].fused_name, {-1, -1, -1, -1}});
      m.fused = found->second;
      fused[static_cast<size_t>(m.fused)].members.at(leaf.position) = index;
    }

    m.out = module.out;
    m.in = module.in;
    m.split = ranks() > 1 && is_tower(name) ? Split::kWhole : leaf.split;
    if (m.split == Split::kRows) m.out = rows_per_rank(*this, m.leaf, module.out);
    if (m.split == Split::kColumns) m.in = module.in / ranks();
    if (module.scheme != nullptr) {
      m.scheme = scheme_index(module.scheme);
      SchemeUse& use = schemes[static_cast<size_t>(m.scheme)];
      (m.embedding ? use.embeddings : m.mixture >= 0 ? use.experts : use.linears).push_back(index);
    }
    modules.push_back(m);
  }
  if (groups.empty())
    for (const SchemeUse& use : schemes) groups.push_back(use.scheme);
}

}  // namespace tersor
