// Load rules: what a checkpoint must hold. Readers fill what is missing with random numbers, and a quantized
// model's loader does not complain.
//
// Layers are compared with each other, so that any architecture is judged. Only for the families listed here,
// whose decoder layers are all alike, is something demanded that no layer has.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "tersor/base/text.h"
#include "tersor/compressors/load_rule.h"

namespace tersor {
namespace {

constexpr const char* kDownload = "the checkpoint is incomplete: download it again, or save the model anew";

// "self_attn" and "q_proj" of "self_attn.q_proj".
std::pair<std::string_view, std::string_view> split_leaf(std::string_view tail) {
  const size_t dot = tail.rfind('.');
  if (dot == std::string_view::npos) return {"", tail};
  return {tail.substr(0, dot), tail.substr(dot + 1)};
}

// A module whatever the rank of its weight.
struct Weight {
  std::string_view name;
  size_t rank;
};
template <typename Visit>
void each_weight(const LoadView& view, Visit visit) {
  for (const ViewedModule& m : view.modules) visit(Weight{m.module->name, 2});
  for (const OtherWeight& other : view.context.other_weights) visit(Weight{other.name, other.rank});
}

// "2 tensors (model.layers.1.self_attn.q_proj.weight, …)".
std::string shown_tensors(const std::vector<std::string>& modules) {
  if (modules.size() == 1) return fmt::format("{}.weight", modules[0]);
  return fmt::format("{} tensors ({}.weight, …)", format_count(modules.size()), modules[0]);
}

using Leaves = std::set<std::string_view>;

// What one parent lacks that readers are sure to build, given the leaves of its like in another layer.
Leaves lacking(const Leaves& have, const Leaves& wanted, bool alike) {
  Leaves absent;
  if (alike) {  // a part of the other's; what merely differs may be another kind of layer
    if (have.size() < wanted.size() && std::ranges::includes(wanted, have))
      std::ranges::set_difference(wanted, have, std::inserter(absent, absent.end()));
    return absent;
  }
  // Layers may share keys and values of others, or do without values, but none has keys without queries, nor
  // half a gated MLP.
  auto demand = [&](std::string_view leaf, std::initializer_list<std::string_view> where) {
    const bool asked = std::ranges::any_of(where, [&](std::string_view w) { return have.contains(w); });
    if (asked && wanted.contains(leaf) && !have.contains(leaf)) absent.insert(leaf);
  };
  demand("q_proj", {"k_proj", "v_proj"});
  demand("k_proj", {"v_proj"});
  demand("gate_proj", {"up_proj"});
  demand("up_proj", {"gate_proj"});
  return absent;
}

// One parent in one layer: "model.layers.1.self_attn." with its leaves.
struct Instance {
  std::string_view prefix;
  Leaves leaves;
};

// "model.layers.*.mlp.experts.*": the parent with its numbers left out.
std::string kind_of_parent(const LayerName& layer, std::string_view parent) {
  std::string kind = fmt::format("{}*", layer.list);
  for (size_t begin = 0; begin <= parent.size();) {
    const size_t end = std::min(parent.find('.', begin), parent.size());
    const std::string_view part = parent.substr(begin, end - begin);
    kind += '.';
    kind += is_number(part) ? "*" : part;
    begin = end + 1;
  }
  return kind;
}

// Parents of one kind together: those of all layers, and of all experts.
std::map<std::string, std::vector<Instance>> instances_by_kind(const LoadView& view) {
  std::map<std::string, std::vector<Instance>> kinds;
  std::unordered_map<std::string_view, std::pair<std::vector<Instance>*, size_t>> places;
  each_weight(view, [&](const Weight& weight) {
    const LayerName layer = layer_of(weight.name);
    const auto [parent, leaf] = split_leaf(layer.tail);
    if (layer.index.empty() || parent.empty()) return;
    const std::string_view prefix = weight.name.substr(0, weight.name.size() - leaf.size());
    const auto [place, fresh] = places.try_emplace(prefix, nullptr, 0);
    if (fresh) {
      std::vector<Instance>& instances = kinds[kind_of_parent(layer, parent)];
      place->second = {&instances, instances.size()};
      instances.push_back({prefix, {}});
    }
    (*place->second.first)[place->second.second].leaves.insert(leaf);
  });
  return kinds;
}

// What parents lack that their like has; of decoder layers of known families also what none has.
void add_missing_leaves(const std::vector<Instance>& instances, bool decoder,
                        std::vector<std::string>& missing) {
  static const Leaves kAttention = {"k_proj", "q_proj", "v_proj"}, kMlp = {"gate_proj", "up_proj"};
  constexpr size_t kMostKinds = 32;  // more would be no layers of one model
  std::set<Leaves> distinct;
  for (const Instance& instance : instances) distinct.insert(instance.leaves);
  if (distinct.size() > kMostKinds) return;
  for (const Instance& instance : instances) {
    Leaves absent;
    for (const Leaves& wanted : distinct) absent.merge(lacking(instance.leaves, wanted, decoder));
    if (decoder) {
      absent.merge(lacking(instance.leaves, kMlp, false));
      if (instance.leaves.contains("k_proj") || instance.leaves.contains("v_proj")) {
        std::ranges::set_difference(kAttention, instance.leaves, std::inserter(absent, absent.end()));
      }
    }
    for (const std::string_view leaf : absent) missing.push_back(fmt::format("{}{}", instance.prefix, leaf));
  }
}

// Parts of whole layers that others have: "model.layers.1.self_attn".
void add_missing_parts(const LoadView& view, std::vector<std::string>& missing) {
  std::map<std::string_view, std::map<std::string_view, Leaves>> lists;  // list → layer → parts
  each_weight(view, [&](const Weight& weight) {
    const LayerName layer = layer_of(weight.name);
    if (layer.index.empty() || is_tower(layer.list)) return;
    lists[layer.list][layer.index].insert(layer.tail.substr(0, layer.tail.find('.')));
  });
  for (const auto& [list, layers] : lists) {
    Leaves all;
    for (const auto& [index, parts] : layers) all.insert(parts.begin(), parts.end());
    for (const auto& [index, parts] : layers) {
      if (parts.size() == all.size()) continue;
      for (const std::string_view part : all) {
        if (!parts.contains(part)) missing.push_back(fmt::format("{}{}.{}", list, index, part));
      }
    }
  }
}

// Whether there are layers, but no module of this name beside them.
bool has_layers_without(const LoadView& view, std::string_view leaf) {
  bool any = false, found = false;
  each_weight(view, [&](const Weight& weight) {
    any |= !layer_of(weight.name).index.empty();
    found |= split_leaf(weight.name).second == leaf;
  });
  return any && !found;
}

}  // namespace

std::vector<Breach> check_model_type(const LoadView& view) {
  if (view.context.config == nullptr || !view.context.config->is_object()) return {};
  const auto type = view.context.config->find("model_type");
  if (type != view.context.config->end() && type->is_string() && !type->get_ref<const std::string&>().empty())
    return {};
  return {{"config.json has no model_type, by which readers choose the model's class (Unrecognized model)",
           {},
           "take config.json from the model's original checkpoint"}};
}

std::vector<Breach> check_layers_complete(const LoadView& view) {
  const bool known = is_known_family(view);
  std::vector<std::string> missing;
  for (const auto& [kind, instances] : instances_by_kind(view))
    add_missing_leaves(instances, known && !is_tower(kind), missing);
  if (known) add_missing_parts(view, missing);
  if (missing.empty()) return {};
  std::ranges::sort(missing);
  return {
      {fmt::format("the checkpoint lacks {}, a part of every such layer: readers fill it with random numbers",
                   shown_tensors(missing)),
       {},
       kDownload}};
}

std::vector<Breach> check_layer_count(const LoadView& view) {
  if (!is_known_family(view) || view.layers == 0) return {};
  std::set<std::string_view> indices;
  each_weight(view, [&](const Weight& weight) {
    const LayerName layer = layer_of(weight.name);
    if (layer.list.ends_with("layers.") && !is_tower(weight.name)) indices.insert(layer.index);
  });
  for (uint64_t i = 0; i < view.layers && i <= indices.size(); ++i) {
    if (indices.contains(std::to_string(i))) continue;
    return {{fmt::format("config.json says {} layers, and the checkpoint holds nothing of layer {}",
                         format_count(view.layers), i),
             {},
             kDownload}};
  }
  return {};
}

std::vector<Breach> check_weight_dimensions(const LoadView& view) {
  // The same weight of another layer is a matrix, or it is a Linear by its name.
  constexpr std::string_view kLinears[] = {"q_proj",  "k_proj",    "v_proj",  "o_proj",      "gate_proj",
                                           "up_proj", "down_proj", "lm_head", "embed_tokens"};
  std::set<std::string> matrices;
  auto kind_of = [](std::string_view name) {
    const LayerName layer = layer_of(name);
    return layer.index.empty() ? std::string() : fmt::format("{}*.{}", layer.list, layer.tail);
  };
  std::vector<const OtherWeight*> broken;
  if (view.context.other_weights.empty()) return {};
  for (const ViewedModule& m : view.modules) {
    if (m.mixture < 0) matrices.insert(kind_of(m.module->name));
  }
  matrices.erase("");
  for (const OtherWeight& other : view.context.other_weights) {
    const std::string_view leaf = split_leaf(other.name).second;
    const bool named = is_known_family(view) && std::ranges::find(kLinears, leaf) != std::end(kLinears);
    if (named || matrices.contains(kind_of(other.name))) broken.push_back(&other);
  }
  if (broken.empty()) return {};
  return {{fmt::format(
               "{}.weight has {} dimension{}, a matrix was expected{}: readers fill it with random numbers",
               broken[0]->name, broken[0]->rank, broken[0]->rank == 1 ? "" : "s",
               broken.size() == 1 ? "" : fmt::format(" ({} such tensors)", format_count(broken.size()))),
           {},
           kDownload}};
}

std::vector<Breach> check_input_embedding(const LoadView& view) {
  if (!is_known_family(view) || !has_layers_without(view, "embed_tokens")) return {};
  return {
      {"the checkpoint lacks the input embedding (embed_tokens.weight): readers fill it with random numbers",
       {},
       kDownload}};
}

std::vector<Breach> check_output_head(const LoadView& view) {
  if (!is_known_family(view) || !view.said_untied || !has_layers_without(view, "lm_head")) return {};
  return {
      {"the checkpoint lacks lm_head.weight, and config.json says `tie_word_embeddings: false`: readers fill "
       "it "
       "with random numbers",
       {},
       "download the checkpoint again, or write `\"tie_word_embeddings\": true` into config.json if the "
       "model "
       "shares the embedding's weight"}};
}

}  // namespace tersor
